use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use promotion::board::{Board, html};
use tokio_util::sync::CancellationToken;

use super::args::BoardArgs;
use super::gather::{Gathered, gather};
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

/// No board has as many bytes.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The mark of a page is within as many of its first bytes.
const HEAD: u64 = 4096;

pub(super) async fn run(args: &BoardArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let site = Site::at(&args.out, args.force)?;
    let work = async {
        let gathered = match &args.from {
            Some(file) => Gathered {
                board: read(file)?,
                unasked: Vec::new(),
            },
            None => gather(&args.view, "board", cancel).await?,
        };
        site.write(&gathered.board)?;
        Ok(gathered)
    };
    let Gathered { board, unasked } = stage("board", work, |gathered| {
        let board = &gathered.board;
        let missing = match gathered.unasked.len() {
            0 => "",
            _ => ", and not everything could be asked",
        };
        End::Done(format!(
            "{} processors in {} environments{missing}",
            board.processors.len(),
            board.environments.len()
        ))
    })
    .await?;
    let delivered = to.deliver(&board, || format!("{}\n", site.page.display()));
    let ended = unasked.into_iter().next().map_or(Ok(Exit::Done), Err);
    report::ended(ended, delivered)
}

/// A folder that a page is written to.
struct Site {
    page: PathBuf,
    data: PathBuf,
}

impl Site {
    /// Makes the folder, and checks that what is there may be replaced.
    fn at(folder: &Path, force: bool) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| {
            let text = format!("make the folder `{}`: {error}", folder.display());
            Failure::new(Exit::Input, text)
        })?;
        let site = Self {
            page: folder.join("index.html"),
            data: folder.join("board.json"),
        };
        for (file, is_own) in [
            (&site.page, is_own(&site.page, is_page)),
            (&site.data, is_own(&site.data, is_board)),
        ] {
            if !force && !is_own {
                return Err(foreign(file));
            }
        }
        Ok(site)
    }

    /// Each of the files is there as a whole or not at all.
    fn write(&self, board: &Board) -> Result<(), Failure> {
        let mut data = serde_json::to_string_pretty(board)
            .map_err(|error| Failure::new(Exit::Unexpected, error))?;
        data.push('\n');
        Report::at(&self.data)?.put(&data)?;
        Report::at(&self.page)?.put(&html::page(board))?;
        Ok(())
    }
}

/// Whether there is no file, or one that passes; one that cannot be read does not.
fn is_own(file: &Path, passes: fn(&Path) -> io::Result<bool>) -> bool {
    match fs::metadata(file) {
        Ok(there) => there.is_file() && passes(file).unwrap_or(false),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_page(file: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).contains(html::MARK))
}

fn is_board(file: &Path) -> io::Result<bool> {
    Ok(serde_json::from_slice::<Board>(&bytes(file)?).is_ok())
}

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let text = format!("it is longer than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

fn foreign(file: &Path) -> Failure {
    let text = format!(
        "write `{}`: a file is there that this command has not made",
        file.display()
    );
    let hint = "name another folder with --out, or replace the file with --force";
    Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
}

fn read(file: &Path) -> Result<Board, Failure> {
    let failed = |problem: String| {
        let text = format!("read the board `{}`: {problem}", file.display());
        let hint = "it is what `pipeline status --json FILE` of this version writes";
        Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
    };
    let bytes = bytes(file).map_err(|error| failed(error.to_string()))?;
    let board: Board = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    match board.schema {
        1 => Ok(board),
        other => Err(failed(format!("its `schema` is {other}, not 1"))),
    }
}
