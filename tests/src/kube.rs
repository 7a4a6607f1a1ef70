//! A control plane of the tests' own, on loopback: etcd, kube-apiserver and kube-controller-manager, the real programs
//! with RBAC, built once as Go modules. There are no nodes, so no pod ever runs.

mod credentials;
mod programs;

use std::{
    fs::{self, File},
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Weak},
};

use anyhow::{Context, Result, ensure};
use http::Request;
use kube::{Client, Config, config::KubeConfigOptions};
use tempfile::TempDir;
use tokio::{sync::Mutex, task::spawn_blocking};

use self::{credentials::Credentials, programs::Programs};
use crate::{ports, service::Service, target};

/// A running control plane. Dropping it kills the processes and, if it has a directory of its own, removes what was
/// stored.
#[derive(Debug)]
pub struct Kubernetes {
    // In the order in which they end.
    controllers: Option<Service>,
    api_server: Option<Service>,
    etcd: Option<Service>,
    programs: Programs,
    credentials: Credentials,
    kubeconfig: String,
    port: u16,
    etcd_port: u16,
    dir: PathBuf,
    // Whether each program has a session of its own, and a file with its id.
    apart: bool,
    _temporary: Option<TempDir>,
}

impl Kubernetes {
    /// A control plane of the test's own. The first call on a machine builds the programs, in minutes.
    pub async fn start() -> Result<Self> {
        let prepare = || {
            let dir = tempfile::Builder::new()
                .prefix("kubernetes-")
                .tempdir_in(target::target_dir()?)?;
            let path = dir.path().to_owned();
            Self::prepare(&path, Some(dir))
        };
        spawn_blocking(prepare).await??.run().await
    }

    /// A control plane in this directory, whose programs can go on after this process, with their ids in files.
    pub(crate) async fn start_apart(dir: &Path) -> Result<Self> {
        let dir = dir.to_owned();
        let mut cluster = spawn_blocking(move || Self::prepare(&dir, None)).await??;
        cluster.apart = true;
        cluster.run().await
    }

    /// Lets the programs go on without this.
    pub(crate) fn leave(self) {
        let Self {
            controllers,
            api_server,
            etcd,
            ..
        } = self;
        for service in [controllers, api_server, etcd].into_iter().flatten() {
            service.leave();
        }
    }

    async fn run(mut self) -> Result<Self> {
        self.etcd = Some(self.start_etcd().await?);
        self.start_api_server().await?;
        self.controllers = Some(self.start_controllers()?);
        Ok(self)
    }

    /// The control plane that the tests of this process share: each keeps to a namespace of its own. It ends with the
    /// last test that holds it.
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Kubernetes>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    fn prepare(dir: &Path, temporary: Option<TempDir>) -> Result<Self> {
        let credentials = Credentials::new(&dir.join("pki"))?;
        let port = ports::free_port()?;
        let cluster = Self {
            controllers: None,
            api_server: None,
            etcd: None,
            programs: Programs::find()?,
            kubeconfig: credentials.kubeconfig((Ipv4Addr::LOCALHOST, port).into())?,
            credentials,
            port,
            etcd_port: ports::free_port()?,
            dir: dir.to_owned(),
            apart: false,
            _temporary: temporary,
        };
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(cluster.kubeconfig_file())?;
        file.write_all(cluster.kubeconfig.as_bytes())?;
        Ok(cluster)
    }

    fn start_program(&self, name: &'static str, command: Command) -> Result<Service> {
        let log = self.log_file(name);
        if !self.apart {
            return Service::start(name, command, &log);
        }
        let service = Service::start_apart(name, &command, &log)?;
        // At once, so that it can be found if this process is killed now.
        fs::write(pid_file(&self.dir, name), service.id().to_string())?;
        Ok(service)
    }

    async fn start_etcd(&self) -> Result<Service> {
        let peers = format!("http://127.0.0.1:{}", ports::free_port()?);
        let clients = self.etcd_url();
        let mut command = Command::new(&self.programs.etcd);
        command
            // No test cuts the power.
            .arg("--unsafe-no-fsync")
            .args(["--log-level", "warn"])
            .args(["--listen-client-urls", &clients])
            .args(["--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers])
            .args(["--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}")])
            .arg("--data-dir")
            .arg(self.dir.join("etcd"));
        let mut service = self.start_program("etcd", command)?;
        service.wait_until_listening(self.etcd_port).await?;
        Ok(service)
    }

    /// Starts the API server after [`kill_api_server`](Self::kill_api_server), on the same port and with what was stored.
    pub async fn start_api_server(&mut self) -> Result<()> {
        ensure!(self.api_server.is_none(), "the API server is running");
        let pki = |name: &str| self.credentials.file(name);
        let flag = |name: &str, file: &str| format!("--{name}={}", pki(file).display());
        let mut command = Command::new(&self.programs.api_server);
        command
            .arg(format!("--etcd-servers={}", self.etcd_url()))
            .arg(format!("--secure-port={}", self.port))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            // Nobody looks for this server through a Service, and loopback may not stand in one.
            .arg("--endpoint-reconciler-type=none")
            .arg("--service-cluster-ip-range=10.43.0.0/24")
            .arg("--authorization-mode=Node,RBAC")
            .arg("--enable-bootstrap-token-auth=true")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("service-account-key-file", "accounts.pub"))
            .arg(flag("service-account-signing-key-file", "accounts.key"))
            .arg(flag("client-ca-file", "authority.pem"))
            .arg(flag("tls-cert-file", "server.pem"))
            .arg(flag("tls-private-key-file", "server.key"));
        let mut service = self.start_program("kube-apiserver", command)?;
        let client = self.client().await?;
        service
            .wait_until(async |_| {
                let ready = Request::get("/readyz").body(Vec::new());
                let Ok(ready) = ready else { return false };
                client.request_text(ready).await.is_ok()
            })
            .await?;
        self.api_server = Some(service);
        Ok(())
    }

    /// Ends the API server as `kill -9` does: nobody can be reached there.
    pub async fn kill_api_server(&mut self) -> Result<()> {
        let mut service = self
            .api_server
            .take()
            .context("the API server is not running")?;
        service.end_with("KILL").await?;
        Ok(())
    }

    fn start_controllers(&self) -> Result<Service> {
        let mut command = Command::new(&self.programs.controllers);
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig_file())
            .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
            // With the usual 20 calls a second, a test would measure nothing else.
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000"])
            .arg("--concurrent-statefulset-syncs=20")
            .arg(format!("--secure-port={}", ports::free_port()?))
            .arg(format!(
                "--service-account-private-key-file={}",
                self.credentials.file("accounts.key").display()
            ))
            .arg(format!(
                "--root-ca-file={}",
                self.credentials.file("authority.pem").display()
            ));
        self.start_program("kube-controller-manager", command)
    }

    /// A kubeconfig of an administrator; its context is `test`.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// The same in a file.
    pub fn kubeconfig_file(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// A client that may do everything. It lives no longer than the runtime of the test that asked for it.
    pub async fn client(&self) -> Result<Client> {
        self.client_with(|_| ()).await
    }

    /// The same with other settings: another credential, or an impersonated user.
    pub async fn client_with(&self, change: impl FnOnce(&mut Config)) -> Result<Client> {
        let mut config = self.config().await?;
        change(&mut config);
        Ok(Client::try_from(config)?)
    }

    /// Where and how an administrator connects.
    pub(crate) async fn config(&self) -> Result<Config> {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&self.kubeconfig)?;
        let options = KubeConfigOptions::default();
        Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?)
    }

    /// The certificate of the cluster's authority (PEM).
    pub fn authority(&self) -> Result<String> {
        Ok(fs::read_to_string(self.credentials.file("authority.pem"))?)
    }

    /// The key of the authority (PEM).
    pub fn authority_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.credentials.file("authority.key"))?)
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The last lines of a program's log.
    pub fn log(&self, program: &str) -> String {
        fs::read_to_string(self.log_file(program)).unwrap_or_default()
    }

    fn log_file(&self, program: &str) -> PathBuf {
        self.dir.join(format!("{program}.log"))
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port)
    }
}

/// Where the id of a program is that goes on without us.
pub(crate) fn pid_file(dir: &Path, program: &str) -> PathBuf {
    dir.join(format!("{program}.pid"))
}
