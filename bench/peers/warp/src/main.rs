//! warp.
//!
//!     warp-peer PORT [WORKERS]      /

use peer_common::{Arguments, block_on};
use warp::Filter;

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address();
    block_on(arguments.workers, async move {
        let root = warp::path::end().map(|| "Hello, World!");
        warp::serve(root).run(address).await;
    });
}
