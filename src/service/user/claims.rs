//! What a token says beside who it is for.

use crate::service::user::CurrentUser;
use serde::de::DeserializeOwned;
use serde_json::Value;

impl CurrentUser {
    /// All claims of the JSON Web Token; `null` for a user who came without one.
    pub fn claims(&self) -> &Value {
        self.details().unwrap_or(&Value::Null)
    }

    /// All claims of the JSON Web Token, as a type of yours.
    ///
    /// # Errors
    ///
    /// When they have another shape.
    ///
    /// ```
    /// use wireline::service::user::CurrentUser;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Claims {
    ///     tenant: String,
    /// }
    ///
    /// let user = CurrentUser::new("7").with_details(serde_json::json!({ "sub": "7", "tenant": "acme" }));
    /// assert_eq!(user.claims()["tenant"], "acme");
    /// assert_eq!(user.claims_as::<Claims>().unwrap().tenant, "acme");
    /// ```
    pub fn claims_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        T::deserialize(self.claims())
    }
}
