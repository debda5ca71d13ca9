//! Sessions of every kind through the real kube client: objects of a custom resource, Deployments, StatefulSets, and
//! Deployments of which only `/scale` is written. Against the simulator, and against a real cluster where one is named.

mod by_hand;
mod fences;
mod life;
mod rights;
mod stage;
mod twins;

use self::stage::Kind;

/// Makes a test of each function for each kind.
macro_rules! for_each_kind {
    ($($name:ident),+ $(,)?) => {
        for_each_kind!(@ session, Session, $($name),+);
        for_each_kind!(@ deployment, Deployment, $($name),+);
        for_each_kind!(@ stateful_set, StatefulSet, $($name),+);
        for_each_kind!(@ subresource, Subresource, $($name),+);
    };
    (@ $module:ident, $kind:ident, $($name:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Kind::$kind).await;
                }
            )+
        }
    };
}
use for_each_kind;
