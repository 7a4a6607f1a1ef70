//! Each client can be started, driven, read and ended. What they do together with our collector is tested elsewhere.

use std::{fs, path::Path};

use anyhow::Result;
use fleet_tests::{
    peer::{Account, Peer},
    protocol::{Command, Event, Via},
};
use tempfile::TempDir;

use crate::sim;

#[tokio::test]
async fn nicotine_searches_and_sees_a_search_aimed_at_it() -> Result<()> {
    let server = sim::start().await?;
    let account = Account::new(server.address, "smoke-nicotine");
    searches_itself(Peer::nicotine(&account).await?, &account).await
}

#[tokio::test]
async fn aioslsk_searches_and_sees_a_search_aimed_at_it() -> Result<()> {
    let server = sim::start().await?;
    let account = Account::new(server.address, "smoke-aioslsk");
    searches_itself(Peer::aioslsk(&account).await?, &account).await
}

/// The server sends a search of one user's files to that user (code 26), even if it is the one who searches.
async fn searches_itself(mut client: Peer, account: &Account) -> Result<()> {
    client.online().await?;
    let first = client.search("words for everybody").await?;
    let second = client
        .search_user(&account.username, "words for me")
        .await?;
    assert_ne!(first, second, "two searches of one client need two tokens");

    let seen = client
        .wait_for(|event| event.is_search_seen("words for me"))
        .await?;
    let expected = Event::SearchSeen {
        via: Via::Server,
        username: account.username.clone(),
        token: second,
        query: "words for me".to_owned(),
    };
    assert_eq!(seen, expected);
    assert!(client.quit().await?.success());
    Ok(())
}

#[tokio::test]
async fn soulseek_rs_searches_and_answers_a_search() -> Result<()> {
    let server = sim::start().await?;
    let share = shared_file("rare field recording.flac")?;
    let mut client =
        Peer::soulseek_rs(&Account::new(server.address, "smoke-rs").sharing(share.path())).await?;
    // Not aioslsk, which cannot read the answers of soulseek-rs: they lack the last number of the format.
    let mut asker = Peer::nicotine(&Account::new(server.address, "smoke-rs-asker")).await?;
    client.online().await?;
    asker.online().await?;
    client.search("words for everybody").await?;

    let token = asker.search_user("smoke-rs", "rare recording").await?;
    let answer = asker
        .wait_for(|event| matches!(event, Event::SearchResult { .. }))
        .await?;
    let Event::SearchResult {
        username,
        token: answered,
        files,
    } = answer
    else {
        unreachable!("the event was chosen above");
    };
    assert_eq!((username.as_str(), answered), ("smoke-rs", token));
    assert!(files[0].ends_with("rare field recording.flac"), "{files:?}");
    assert!(client.quit().await?.success());
    assert!(asker.quit().await?.success());
    Ok(())
}

#[tokio::test]
async fn clients_ask_each_other_for_their_profile_and_files() -> Result<()> {
    let server = sim::start().await?;
    let (a_share, b_share) = (shared_file("one.flac")?, shared_file("two.flac")?);
    let mut a =
        Peer::nicotine(&Account::new(server.address, "smoke-a").sharing(a_share.path())).await?;
    let mut b =
        Peer::aioslsk(&Account::new(server.address, "smoke-b").sharing(b_share.path())).await?;
    a.online().await?;
    b.online().await?;

    assert_eq!(profile(&mut a, "smoke-b").await?, "aioslsk smoke-b");
    assert_eq!(profile(&mut b, "smoke-a").await?, "nicotine smoke-a");
    assert!(files(&mut a, "smoke-b").await?[0].ends_with("two.flac"));
    assert!(files(&mut b, "smoke-a").await?[0].ends_with("one.flac"));
    Ok(())
}

async fn profile(asker: &mut Peer, asked: &str) -> Result<String> {
    asker
        .send(&Command::UserInfo {
            username: asked.to_owned(),
        })
        .await?;
    let from =
        |event: &Event| matches!(event, Event::UserInfo { username, .. } if username == asked);
    match asker.wait_for(from).await? {
        Event::UserInfo { description, .. } => Ok(description),
        _ => unreachable!("the event was chosen above"),
    }
}

async fn files(asker: &mut Peer, asked: &str) -> Result<Vec<String>> {
    asker
        .send(&Command::Browse {
            username: asked.to_owned(),
        })
        .await?;
    let from = |event: &Event| matches!(event, Event::Shares { username, .. } if username == asked);
    match asker.wait_for(from).await? {
        Event::Shares { files, .. } => Ok(files),
        _ => unreachable!("the event was chosen above"),
    }
}

/// A folder with one file in it.
fn shared_file(name: &str) -> Result<TempDir> {
    let share = tempfile::tempdir()?;
    let album: &Path = &share.path().join("album");
    fs::create_dir(album)?;
    fs::write(album.join(name), "not really music")?;
    Ok(share)
}

#[tokio::test]
async fn a_client_that_cannot_log_in_says_so() -> Result<()> {
    // Nobody listens there.
    let nowhere = ([127, 0, 0, 1], fleet_tests::ports::free_port()?).into();
    let client = Peer::soulseek_rs(&Account::new(nowhere, "smoke-nowhere")).await?;
    let error = client.online().await.expect_err("there is no server");
    assert!(error.to_string().contains("smoke-nowhere"), "{error}");
    Ok(())
}
