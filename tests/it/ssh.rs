//! The kubeconfig of a server, fetched by a real SSH client from a real SSH server.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use anyhow::Result;
use fleet_operator::cluster::{
    Cluster, KubeconfigError, Ssh, SshError, Waiting, fetch, forget_host,
};
use fleet_tests::sshd::Sshd;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;

const READY: &str = "/run/fleet/ready";
const FAILED: &str = "/run/fleet/failed";
const LOG: &str = "/var/log/cloud-init-output.log";
const K3S: &str = "/etc/rancher/k3s/k3s.yaml";

/// As k3s writes it.
const KUBECONFIG: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTg==
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: LS0tLS1CRUdJTg==
    client-key-data: c2VjcmV0LWtleQ==
";

const PATIENCE: Duration = Duration::from_mins(1);

fn ssh(server: &Sshd) -> Ssh {
    Ssh {
        address: server.address(),
        port: server.port(),
        user: server.user().to_owned(),
        identity: Some(server.identity()),
        // A path that has to be quoted.
        known_hosts: server.dir().join("a fleet's 50%").join("known_hosts"),
    }
}

async fn ready() -> Result<Sshd> {
    let server = Sshd::start().await?;
    server.write(K3S, KUBECONFIG)?;
    server.write(READY, "now\n")?;
    Ok(server)
}

#[tokio::test]
async fn a_server_that_is_ready_late_is_waited_for() -> Result<()> {
    let mut server = Sshd::start().await?;
    server.stop().await?;
    let ssh = ssh(&server);
    let (sender, mut seen) = mpsc::unbounded_channel();
    let progress = move |waiting| sender.send(waiting).unwrap();
    let fetching = tokio::spawn(async move { fetch(&ssh, "study", PATIENCE, progress).await });

    let first = seen.recv().await.unwrap();
    assert!(
        matches!(&first, Waiting::ForSsh(reason) if reason.contains("refused")),
        "{first:?}"
    );
    server.write(LOG, "packages\n\u{1b}[1mkernel\r\n")?;
    server.start_again().await?;
    // Attempts that began before may still tell of the refusal.
    let set_up = loop {
        match seen.recv().await.unwrap() {
            Waiting::ForSsh(_) => {}
            Waiting::ForSetUp(line) => break line,
        }
    };
    assert_eq!(set_up, "[1mkernel");
    server.write(K3S, KUBECONFIG)?;
    server.write(READY, "now\n")?;
    let kubeconfig = fetching.await??;
    assert_eq!(kubeconfig.server(), "https://127.0.0.1:6443");
    Ok(())
}

#[tokio::test]
async fn the_kubeconfig_is_the_fleets_and_only_its_owner_may_read_it() -> Result<()> {
    let server = ready().await?;
    let kubeconfig = fetch(&ssh(&server), "study", PATIENCE, |_| ()).await?;
    assert!(!format!("{kubeconfig:?}").contains("c2VjcmV0"));
    let text = kubeconfig.text().expose_secret();
    let found = kube::config::Kubeconfig::from_yaml(text)?;
    assert_eq!(found.current_context.as_deref(), Some("study"));
    assert_eq!(found.clusters[0].name, "study");
    assert_eq!(found.auth_infos[0].name, "study");
    assert!(!text.contains("default"), "{text}");
    assert!(text.contains("client-key-data: c2VjcmV0LWtleQ=="), "{text}");

    let file = server.dir().join("kubeconfig");
    assert_eq!(kubeconfig.save(&file)?, None);
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file)?, *text);
    assert_eq!(kubeconfig.save(&file)?, None, "the same again");

    // The fleet's own, from before its server was made anew.
    fs::write(&file, text.replace("127.0.0.1", "192.0.2.1"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    assert_eq!(
        kubeconfig.save(&file)?.as_deref(),
        Some("https://192.0.2.1:6443")
    );
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);

    for others in [
        KUBECONFIG.to_owned(),
        text.replace("study", "other"),
        "no: kubeconfig".to_owned(),
    ] {
        fs::write(&file, &others)?;
        let error = kubeconfig.save(&file).unwrap_err();
        assert!(
            matches!(error, KubeconfigError::OfAnother { .. }),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&file)?, others);
    }
    let error = kubeconfig
        .save(&server.dir().join("no/such/dir"))
        .unwrap_err();
    assert!(matches!(error, KubeconfigError::File { .. }), "{error}");
    let left = fs::read_dir(server.dir())?.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".new")
    });
    assert_eq!(left.count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_be_set_up_says_why() -> Result<()> {
    let server = ready().await?;
    let log: Vec<_> = (1..=30).map(|n| format!("line {n}")).collect();
    server.write(LOG, &log.join("\n"))?;
    server.write(FAILED, "k3s_binary: the checksum is wrong\n")?;
    let error = fetch(&ssh(&server), "study", PATIENCE, |_| ())
        .await
        .unwrap_err();
    let KubeconfigError::SetUp { reason, log, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(reason, "k3s_binary: the checksum is wrong");
    assert_eq!(log.len(), 20);
    assert_eq!(log.last().unwrap(), "line 30");
    assert!(error.to_string().contains("\n  line 30"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_never_ready_is_given_up() -> Result<()> {
    let server = Sshd::start().await?;
    server.write(LOG, "waiting for the node\n")?;
    let patience = Duration::from_secs(2);
    let error = fetch(&ssh(&server), "study", patience, |_| ())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("after 2 seconds: waiting for the node"),
        "{error}"
    );

    server.write(READY, "now\n")?;
    let error = fetch(&ssh(&server), "study", patience, |_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    server.write(K3S, "apiVersion: v1\nusers: [c2VjcmV0")?;
    let error = fetch(&ssh(&server), "study", patience, |_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, KubeconfigError::Unusable { .. }), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("c2VjcmV0"),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_with_another_key_is_not_trusted_until_the_old_one_is_forgotten() -> Result<()> {
    let mut server = ready().await?;
    let ssh = ssh(&server);
    fetch(&ssh, "study", PATIENCE, |_| ()).await?;
    let other = "192.0.2.7 ssh-ed25519 AAAA\n";
    let known = fs::read_to_string(&ssh.known_hosts)?;
    fs::write(&ssh.known_hosts, format!("{other}{known}"))?;

    server.stop().await?;
    server.rebuild()?;
    server.start_again().await?;
    let error = fetch(&ssh, "study", PATIENCE, |_| ()).await.unwrap_err();
    assert!(
        matches!(error, KubeconfigError::Ssh(SshError::HostKey { .. })),
        "{error}"
    );
    assert!(
        error.hint().unwrap().contains("known_hosts"),
        "{:?}",
        error.hint()
    );

    assert!(
        !forget_host(&ssh.known_hosts, ssh.address, 22)?,
        "another port, another server"
    );
    assert!(forget_host(&ssh.known_hosts, ssh.address, ssh.port)?);
    assert_eq!(fs::read_to_string(&ssh.known_hosts)?, other);
    fetch(&ssh, "study", PATIENCE, |_| ()).await?;
    assert!(!forget_host(
        &server.dir().join("none"),
        ssh.address,
        ssh.port
    )?);
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_is_named_at_once() -> Result<()> {
    let server = ready().await?;
    let wrong = Ssh {
        identity: Some(server.stranger()),
        ..ssh(&server)
    };
    let error = fetch(&wrong, "study", PATIENCE, |_| panic!("waited for"))
        .await
        .unwrap_err();
    let KubeconfigError::Ssh(SshError::Denied { user, .. }) = &error else {
        panic!("{error}");
    };
    assert_eq!(user, server.user());
    assert!(
        error.hint().unwrap().contains("stranger"),
        "{:?}",
        error.hint()
    );

    // A key that everybody can read is not used, and that is said.
    fs::set_permissions(server.identity(), fs::Permissions::from_mode(0o644))?;
    let error = fetch(&ssh(&server), "study", PATIENCE, |_| ())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("NOT accessible by others"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_given_up() -> Result<()> {
    let mut server = Sshd::start().await?;
    server.stop().await?;
    let patience = Duration::from_secs(2);
    let error = fetch(&ssh(&server), "study", patience, |_| ())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.hint().is_some());
    let no_cluster = Cluster::connect(Some(&server.dir().join("none")), None).await;
    assert!(no_cluster.unwrap_err().to_string().contains("No such file"));
    Ok(())
}
