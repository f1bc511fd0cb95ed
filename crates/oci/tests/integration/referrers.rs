use std::collections::{BTreeMap, BTreeSet};

use oci::{Artifact, Client, ClientOptions, Credentials, OciError, Referrer};
use registry_model::PinnedImage;
use serde_json::{Value, json};

use crate::real::{Real, with_registry};
use crate::script::{INDEX, MANIFEST, Server, anonymous, digest, reply};

const KIND: &str = "application/vnd.example.inputs.v1+json";

fn artifact(content: &str) -> Artifact {
    Artifact {
        artifact_type: KIND.to_owned(),
        media_type: "application/gzip".to_owned(),
        content: content.as_bytes().to_vec(),
        annotations: BTreeMap::from([("name".to_owned(), content.to_owned())]),
    }
}

fn tag(subject: &PinnedImage) -> String {
    subject.digest.as_str().replace(':', "-")
}

fn names(referrers: &[Referrer]) -> BTreeSet<&str> {
    referrers
        .iter()
        .map(|it| it.annotations["name"].as_str())
        .collect()
}

#[tokio::test]
async fn what_is_attached_is_listed_and_read_back() {
    with_registry(async |real| {
        let subject = real.small_image().await;
        let client = &real.client;
        assert_eq!(client.referrers(&subject, None).await.unwrap(), []);
        let first = client.attach(&subject, &artifact("one")).await.unwrap();
        let again = client.attach(&subject, &artifact("one")).await.unwrap();
        assert_eq!(first, again);
        let mut other = artifact("two");
        other.artifact_type = "application/vnd.other".to_owned();
        let second = client.attach(&subject, &other).await.unwrap();

        let all = client.referrers(&subject, None).await.unwrap();
        let manifests: Vec<_> = all.iter().map(|it| it.manifest.clone()).collect();
        assert_eq!(manifests, [first.clone(), second]);
        let wanted = client.referrers(&subject, Some(KIND)).await.unwrap();
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].artifact_type, KIND);
        assert_eq!(wanted[0].annotations["name"], "one");
        assert_eq!(client.artifact(&first).await.unwrap(), b"one");

        // As the specification has it, for other tools to read.
        let manifest = real.get(&format!("manifests/{}", first.digest)).await;
        assert_eq!(manifest["artifactType"], KIND);
        assert_eq!(manifest["subject"]["digest"], subject.digest.as_str());
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.oci.empty.v1+json"
        );
        assert_eq!(manifest["config"]["digest"], digest("{}").as_str());
        // The image itself stays one.
        assert!(client.describe(&subject).await.is_ok());
        let error = client.describe(&first).await.unwrap_err();
        assert!(matches!(error, OciError::NotAnImage { .. }), "{error:?}");
    })
    .await;
}

/// Each with connections of its own, as on other machines, and all at the same time. With the
/// pauses that are the default: the registry answers 500 to who reads a tag while it is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_at_once_lose_nothing() {
    with_registry(async |real: &Real| {
        let subject = real.small_image().await;
        let writers: Vec<_> = (0..20)
            .map(|number| {
                let options = ClientOptions {
                    credentials: Credentials::Anonymous,
                    ..ClientOptions::default()
                };
                let (client, subject) = (Client::new(options).unwrap(), subject.clone());
                tokio::spawn(async move {
                    let artifact = artifact(&format!("writer {number}"));
                    client.attach(&subject, &artifact).await
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let all = real.client.referrers(&subject, Some(KIND)).await.unwrap();
        let expected: Vec<String> = (0..20).map(|number| format!("writer {number}")).collect();
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(names(&all), expected);
        assert_eq!(all.len(), 20);
    })
    .await;
}

#[tokio::test]
async fn what_others_wrote_into_the_list_stays() {
    with_registry(async |real| {
        let subject = real.small_image().await;
        let foreign = real
            .client
            .attach(&subject, &artifact("foreign"))
            .await
            .unwrap();
        let size = real.get(&format!("manifests/{}", foreign.digest)).await;
        let list = json!({
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{
                "mediaType": MANIFEST, "digest": foreign.digest.as_str(),
                "size": size.to_string().len(),
                "artifactType": "application/vnd.foreign", "odd": { "field": 1 },
            }],
            "annotations": { "kept": "yes" },
        });
        real.put(Some(&tag(&subject)), &list).await;
        real.client
            .attach(&subject, &artifact("ours"))
            .await
            .unwrap();
        let after = real.get(&format!("manifests/{}", tag(&subject))).await;
        assert_eq!(after["manifests"][0], list["manifests"][0]);
        assert_eq!(after["annotations"], list["annotations"]);
        assert_eq!(after["manifests"].as_array().unwrap().len(), 2);
        let ours = real.client.referrers(&subject, Some(KIND)).await.unwrap();
        assert_eq!(names(&ours), BTreeSet::from(["ours"]));
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_is_no_list_is_named_and_left_alone() {
    with_registry(async |real| {
        let subject = real.small_image().await;
        let config = json!({ "os": "linux", "architecture": "arm64" });
        let other = real.image(&config, &[]).await;
        let manifest = real.get(&format!("manifests/{}", other.digest)).await;
        let taken = real.put(Some(&tag(&subject)), &manifest).await;
        let attached = real.client.attach(&subject, &artifact("x")).await;
        let listed = real.client.referrers(&subject, None).await;
        for error in [attached.unwrap_err(), listed.unwrap_err()] {
            assert!(
                matches!(error, OciError::BadReferrersTag { .. }),
                "{error:?}"
            );
            let said = error.to_string();
            assert!(said.contains(&tag(&subject)), "{said}");
            assert!(error.hint().unwrap().contains(&tag(&subject)));
        }
        let still = real.client.resolve(&real.repository, &tag(&subject)).await;
        assert_eq!(still.unwrap(), Some(taken.digest));
    })
    .await;
}

fn page(digests: &[&str], kind: &str) -> String {
    let entries: Vec<Value> = digests
        .iter()
        .map(|name| {
            json!({
                "mediaType": MANIFEST, "digest": digest(name).as_str(), "size": 1,
                "artifactType": kind, "annotations": { "name": name, "odd": 1 },
            })
        })
        .collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string()
}

#[tokio::test]
async fn the_api_is_read_page_by_page() {
    let server = Server::start(|_| {
        let pages = [
            page(&["a", "b"], KIND),
            page(&["b", "c"], KIND),
            page(&["d"], "x/y"),
        ];
        let next = r#"</v2/team/app/referrers/more?last=1>; rel="next""#;
        let [first, second, third] =
            pages.map(|page| reply(200).header("content-type", INDEX).body(page));
        vec![
            first.header("link", next),
            second.header("link", next),
            third,
        ]
    })
    .await;
    let subject = server.image("subject");
    let found = anonymous().referrers(&subject, Some(KIND)).await.unwrap();
    let order: Vec<_> = found
        .iter()
        .map(|it| it.annotations["name"].as_str())
        .collect();
    assert_eq!(order, ["a", "b", "c"]);
    assert_eq!(
        server.lines(),
        [
            format!("GET /v2/team/app/referrers/{}", subject.digest),
            "GET /v2/team/app/referrers/more?last=1".to_owned(),
            "GET /v2/team/app/referrers/more?last=1".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_list_without_end_or_at_another_host_is_refused() {
    let with_link = |link: String| {
        reply(200)
            .header("content-type", INDEX)
            .header("link", link)
            .body(page(&["a"], KIND))
    };
    let other = Server::start(|_| vec![]).await;
    let elsewhere = format!("<http://{}/more>; rel=next", other.repository.host());
    let server = Server::start(|_| vec![with_link(elsewhere)]).await;
    let error = anonymous()
        .referrers(&server.image("s"), None)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the list goes on at another host"),
        "{error}"
    );
    assert_eq!(other.lines(), [""; 0]);

    let server = Server::start(|_| vec![with_link("<>; rel=next".to_owned()); 100]).await;
    let error = anonymous()
        .referrers(&server.image("s"), None)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("more than 100 pages"), "{error}");
}

/// GHCR leads away to GitHub's web pages; others refuse in other ways.
#[tokio::test]
async fn without_the_api_the_tag_is_read() {
    let list = page(&["a"], KIND);
    let pages = Server::start(|_| vec![]).await;
    let away = format!("http://{}/login", pages.repository.host());
    for refusal in [
        reply(404),
        reply(400),
        reply(405),
        reply(303).header("location", away),
        reply(200)
            .header("content-type", "application/json")
            .body("{}"),
    ] {
        let tagged = reply(200).header("content-type", INDEX).body(list.clone());
        let server = Server::start(|_| vec![refusal, tagged]).await;
        let subject = server.image("subject");
        let found = anonymous().referrers(&subject, None).await.unwrap();
        assert_eq!(names(&found), BTreeSet::from(["a"]));
        assert_eq!(
            server.lines()[1],
            format!("GET /v2/team/app/manifests/{}", tag(&subject))
        );
    }
    assert_eq!(pages.lines(), [""; 0]);
}

/// A registry that has the API keeps the list: then there is no tag to write.
#[tokio::test]
async fn a_registry_with_the_api_keeps_the_list_itself() {
    let subject = page(&[], KIND);
    let server = Server::start(|_| {
        vec![
            reply(200)
                .header("content-type", INDEX)
                .body(subject.clone()),
            // The empty config is there, the content is not.
            reply(200),
            reply(404),
            reply(202).header("location", "/session/1?state=s"),
            reply(201),
            reply(201).header("oci-subject", digest(&subject).as_str()),
        ]
    })
    .await;
    let image = server.image(&subject);
    let attached = anonymous().attach(&image, &artifact("x")).await.unwrap();
    let seen = server.seen();
    let put = &seen[4];
    let sum = digest("x").to_string().replace(':', "%3A");
    assert_eq!(put.line, format!("PUT /session/1?state=s&digest={sum}"));
    assert_eq!(put.body, "x");
    assert_eq!(
        seen[5].line,
        format!("PUT /v2/team/app/manifests/{}", attached.digest)
    );
    assert_eq!(seen[5].content_type.as_deref(), Some(MANIFEST));
}

/// GitLab's registry answers with the image itself (oras-project/oras-go#1396).
#[tokio::test]
async fn a_tag_that_leads_to_the_image_itself_lists_nothing() {
    let content = page(&["child"], KIND);
    let itself = || {
        reply(200)
            .header("content-type", INDEX)
            .body(content.clone())
    };
    let server = Server::start(|_| vec![reply(404), itself()]).await;
    let subject = server.image(&content);
    assert_eq!(anonymous().referrers(&subject, None).await.unwrap(), []);

    let server =
        Server::start(|_| vec![itself(), reply(200), reply(200), reply(201), itself()]).await;
    let error = anonymous()
        .attach(&server.image(&content), &artifact("x"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("for the image itself"),
        "{error}"
    );
}

#[tokio::test]
async fn an_upload_survives_a_restart_of_the_registry() {
    let subject = page(&[], KIND);
    let session = || reply(202).header("location", "/session");
    let server = Server::start(|_| {
        vec![
            reply(200)
                .header("content-type", INDEX)
                .body(subject.clone()),
            reply(200),
            reply(404),
            session(),
            reply(503),
            session(),
            // The session is lost.
            reply(404),
            session(),
            reply(201),
            reply(201).header("oci-subject", digest(&subject).as_str()),
        ]
    })
    .await;
    let image = server.image(&subject);
    anonymous().attach(&image, &artifact("x")).await.unwrap();
    assert_eq!(server.lines().len(), 10);
}

#[tokio::test]
async fn what_cannot_be_attached_or_read_is_refused() {
    let server = Server::start(|_| vec![]).await;
    let mut long = artifact("x");
    long.content = vec![0; 8 * 1024 * 1024 + 1];
    let error = anonymous()
        .attach(&server.image("s"), &long)
        .await
        .unwrap_err();
    assert!(matches!(error, OciError::TooLong { .. }), "{error:?}");
    assert_eq!(server.lines(), [""; 0]);

    with_registry(async |real| {
        let missing = real.repository.at(digest("missing"));
        let error = real
            .client
            .attach(&missing, &artifact("x"))
            .await
            .unwrap_err();
        assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
        let error = real.client.artifact(&missing).await.unwrap_err();
        assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
        let image = real.small_image().await;
        let error = real.client.artifact(&image).await.unwrap_err();
        assert!(
            error.to_string().contains("0 layers instead of one"),
            "{error}"
        );
    })
    .await;
}
