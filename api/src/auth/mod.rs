//! Who sent a request: AWS Signature Version 4 in its header form, verified; and what each key may do.
//!
//! Pure: the clock, the region, the service and the form of paths are arguments. The daemon reads the keys
//! from its config, makes one [`Verifier`] and asks it about each request, first about the head, then with
//! the body's hash.

mod authorization;
mod canonical;
mod denied;
mod keys;
mod replay;
mod request;
mod role;
mod verifier;

pub use canonical::Paths;
pub use denied::{Denied, HeaderPart};
pub use keys::{Key, Keys};
pub use replay::{Remembered, Replays};
pub use request::Head;
pub use role::{Principal, RequestedAction, Role};
pub use secrecy::SecretString;
pub(crate) use verifier::has_query_signature;
pub use verifier::{HeadChecked, Rules, Verified, Verifier};
