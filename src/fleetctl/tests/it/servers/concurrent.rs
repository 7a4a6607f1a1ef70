//! Two at once.

use std::time::Duration;

use fleet_sim::hetzner::Pace;

use super::Project;

#[tokio::test]
async fn two_deployments_at_once_make_one_fleet() {
    for _ in 0..3 {
        let project = Project::slow(Pace::uniform(Duration::from_millis(150))).await;
        let (a, b) = tokio::join!(project.deploy(), project.deploy());
        // One of them may have been in the other's way; then it says so, and the next run finds nothing to do.
        for said in [&a, &b] {
            assert!(matches!(said.code, Some(0 | 7)), "{said:?}");
        }
        assert!(a.code == Some(0) || b.code == Some(0), "{a:?} {b:?}");
        project.deploy().await.well();
        project.is_converged().await;
        project.destroy().await.well();
        project.is_empty();
    }
}
