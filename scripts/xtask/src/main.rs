//! Helper commands of the checkout.
fn main() {}
