//! Files in a router.

use crate::files::Files;
use crate::router::Router;

impl Router {
    /// Serves files under a path: `/assets/css/site.css` is `css/site.css` in the directory, `/assets` redirects
    /// to `/assets/`. A router may have several, and routes of its own beside them, which go first.
    ///
    /// Other methods than GET, HEAD and OPTIONS get 405 with `Allow`. A directory that is not there is told by
    /// [`build`](Self::build).
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::files::Files;
    ///
    /// let missing = Router::new().files("/assets", Files::new("no/such/directory")).build();
    /// assert!(missing.unwrap_err().to_string().contains("no/such/directory"));
    /// ```
    #[must_use]
    pub fn files(self, path: &str, files: Files) -> Self {
        let path = path.trim_end_matches('/');
        let told = files.told();
        // `/` is the root of this router, which another may take in under a prefix.
        let router = self.get_as_is(&format!("{path}/"), files);
        let router = router.get_as_is(&format!("{path}/{{*file}}"), told.clone());
        if path.is_empty() {
            return router;
        }
        router.get(path, told)
    }
}
