//! Images that only the engine has, asked of a real one.

use image_factory::Images;

use super::sees::docker;

#[tokio::test]
async fn an_image_of_the_engine_is_known_by_its_id() {
    let images = oci::Client::new(oci::ClientOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let unique = folder.path().file_name().unwrap().to_string_lossy();
    let name = format!(
        "pipeline-test/{}:1",
        unique.trim_start_matches('.').to_lowercase()
    );
    assert_eq!(images.of_engine(&name).await, None);
    assert_eq!(images.of_engine("../version").await, None);
    let mut ids = Vec::new();
    for label in ["a", "b", "b"] {
        let text = format!("FROM scratch\nLABEL {unique}={label}\n");
        std::fs::write(folder.path().join("Dockerfile"), text).unwrap();
        let context = folder.path().to_string_lossy();
        docker(&["buildx", "build", "--load", "--tag", &name, &context]).await;
        ids.push(images.of_engine(&name).await.unwrap());
        // As it is called where no registry has it.
        let full = format!("docker.io/{name}");
        assert_eq!(images.of_engine(&full).await.as_ref(), ids.last());
    }
    docker(&["image", "rm", &name]).await;
    docker(&["image", "rm", "--force", &ids[0].to_string()]).await;
    assert_eq!(images.of_engine(&name).await, None);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[1], ids[2]);
}
