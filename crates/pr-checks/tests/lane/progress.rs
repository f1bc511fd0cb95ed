use std::io::Write;
use std::sync::{Arc, Mutex};

use pr_checks::CheckName;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Repository, check, shell};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_check_begins_and_ends_and_what_it_prints_is_inert() {
    let heard = Heard::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(heard.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let repository = Repository::new().await;
    let data = check(json!({
        "name": "data", "parser": {"kind": "ruff-json"}, "versions": [["true"]],
        "command": ["sh", "-c", "echo '[]'; echo hm >&2"],
    }));
    let mut after = shell("after", "true");
    after.needs = vec![CheckName::new("loud").unwrap()];
    let loud = shell("loud", "printf 'a\\033[31mb\\r::error::c\\n'; exit 1");
    repository.run(&[data, loud, after]).await;
    let text = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" pipeline::"))
        .map(str::trim_start)
        .collect();
    // Two run at once.
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    DEBUG pipeline::log: ab ::error::c item=loud
    DEBUG pipeline::log: hm item=data
    INFO pipeline::progress: 1 finding stage="checks" item=loud status="item-failed"
    INFO pipeline::progress: it needs `loud`, which did not pass stage="checks" item=after status="item-failed"
    INFO pipeline::progress: passed stage="checks" item=data status="item-done"
    INFO pipeline::progress: started stage="checks" item=data status="item-start"
    INFO pipeline::progress: started stage="checks" item=loud status="item-start"
    "#);
}
