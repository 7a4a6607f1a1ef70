//! First boots, from the first step to the marker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

use fleet_tests::machine::Machine;
use sha2::{Digest as _, Sha256};

use crate::user_data::{CA, TOKEN, files, k3s_token, text};

const SMALL_KB: u64 = 1_950_000;
const LARGE_KB: u64 = 3_850_000;

/// A machine on which cloud-init has written what this role wants.
fn machine(role: &str, memory_kb: u64) -> Machine {
    let machine = Machine::new(memory_kb).unwrap();
    for file in files(&text(role)) {
        let mode = u32::from_str_radix(&file.mode, 8).unwrap();
        machine.write(&file.path, &file.content, mode).unwrap();
    }
    machine
}

fn boot(machine: &Machine) -> Output {
    machine.run("exec /usr/local/lib/fleet/boot").unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|said| String::from_utf8_lossy(said).into_owned())
        .concat()
}

fn assert_ready(machine: &Machine, output: &Output) {
    assert!(output.status.success(), "{}", said(output));
    assert_eq!(machine.read("run/fleet/failed"), None);
    let ready = machine.read("run/fleet/ready").unwrap();
    assert_eq!(machine.read("var/lib/fleet/ready"), Some(ready));
}

fn assert_failed(machine: &Machine, output: &Output, reason: &str) {
    assert!(!output.status.success(), "{}", said(output));
    assert_eq!(machine.read("run/fleet/ready"), None);
    let failed = machine.read("run/fleet/failed").unwrap();
    assert_eq!(failed.trim_end(), reason, "{}", said(output));
    assert_eq!(machine.read("var/lib/fleet/failed"), Some(failed));
    assert!(said(output).contains(reason), "{}", said(output));
}

fn mode(machine: &Machine, path: &str) -> u32 {
    fs::metadata(machine.path(path))
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

/// The lines that begin so.
fn calls(machine: &Machine, beginning: &str) -> Vec<String> {
    let calls = machine.read("calls").unwrap_or_default();
    let calls = calls.lines().filter(|call| call.starts_with(beginning));
    calls.map(str::to_owned).collect()
}

#[test]
fn a_small_host_is_hardened_and_has_swap() {
    let machine = machine("host", SMALL_KB);
    assert_ready(&machine, &boot(&machine));
    assert_eq!(mode(&machine, "swapfile"), 0o600);
    assert_eq!(calls(&machine, "swapon"), ["swapon /swapfile"]);
    let fstab = machine.read("etc/fstab").unwrap();
    assert!(fstab.ends_with("\n/swapfile none swap sw 0 0\n"), "{fstab}");
    assert_eq!(
        calls(&machine, "sysctl"),
        ["sysctl --quiet --load=/etc/sysctl.d/90-fleet.conf"]
    );
    let installed = calls(&machine, "apt-get install");
    assert_eq!(installed.len(), 1);
    assert!(
        installed[0].ends_with(" unattended-upgrades"),
        "{}",
        installed[0]
    );
    assert_eq!(
        calls(&machine, "systemctl try-restart"),
        ["systemctl try-restart ssh.socket ssh.service"]
    );
    assert_eq!(
        calls(&machine, "systemctl enable"),
        [
            "systemctl enable --now apt-daily.timer apt-daily-upgrade.timer",
            "systemctl enable fleet-firewall.service"
        ]
    );
}

#[test]
fn a_large_host_has_no_swap() {
    let machine = machine("host", LARGE_KB);
    assert_ready(&machine, &boot(&machine));
    assert!(!machine.path("swapfile").exists());
}

#[test]
fn a_second_run_changes_nothing() {
    let machine = machine("host", SMALL_KB);
    let list = "/usr/local/lib/fleet/boot > /dev/null && nft list ruleset && cat /etc/fstab";
    let output = machine
        .run(&format!("{list} && cp /swapfile /swap && {list}"))
        .unwrap();
    assert_ready(&machine, &output);
    let listed = String::from_utf8(output.stdout).unwrap();
    let (first, second) = listed.split_at(listed.len() / 2);
    assert_eq!(first, second);
    assert!(first.contains("elements = { 22, 60000, 60001 }"), "{first}");
}

#[test]
fn the_marker_is_there_again_after_a_reboot() {
    let machine = machine("host", LARGE_KB);
    assert_ready(&machine, &boot(&machine));
    fs::remove_dir_all(machine.path("run/fleet")).unwrap();
    let output = machine
        .run("systemd-tmpfiles --create /etc/tmpfiles.d/fleet.conf")
        .unwrap();
    assert_ready(&machine, &output);
}

#[test]
fn sshd_wants_a_key() {
    let machine = machine("host", LARGE_KB);
    let output = machine
        .run("mkdir /run/sshd && sshd -t && sshd -T")
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let settings = said(&output);
    for setting in [
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitemptypasswords no",
        "permitrootlogin without-password",
        "pubkeyauthentication yes",
        "maxauthtries 3",
        "x11forwarding no",
    ] {
        assert!(
            settings.lines().any(|line| line == setting),
            "{setting}: {settings}"
        );
    }
}

#[test]
fn an_sshd_that_takes_passwords_is_a_failure() {
    let machine = machine("host", LARGE_KB);
    let own = "PasswordAuthentication yes\n";
    let config = machine.read("etc/ssh/sshd_config").unwrap();
    machine
        .write("etc/ssh/sshd_config", &format!("{own}{config}"), 0o644)
        .unwrap();
    let output = boot(&machine);
    assert_failed(
        &machine,
        &output,
        "remote_access: sshd does not read its drop-in files",
    );
}

/// Another machine on a wire tries ports: refused where the packet came through, silence where it did not.
const TRY_PORTS: &str = r#"
set -eu
/usr/local/lib/fleet/boot > /boot.log 2>&1
unshare --net tail -f /dev/null &
other=/proc/$!/ns/net
until [ "$(readlink $other)" != "$(readlink /proc/self/ns/net)" ]; do :; done
wire() { # NAME NETWORK
  ip link add "$1" type veth peer name "$1" netns $!
  ip address add "$2.1/24" dev "$1"
  ip link set "$1" up
  nsenter --net=$other ip address add "$2.2/24" dev "$1"
  nsenter --net=$other ip link set "$1" up
}
wire eth0 10.9.0
wire cni0 10.9.1
for to in 10.9.0.1 10.9.1.1; do
  for port in 22 60000 60001 6443 10250 8080; do
    status=0
    nsenter --net=$other timeout 1 bash -c "< /dev/tcp/$to/$port" 2> /dev/null || status=$?
    echo "$to $port $status"
  done
done
kill $!
"#;

fn tried(role: &str) -> Vec<String> {
    let machine = machine(role, LARGE_KB);
    machine
        .write("local/bin/kubelet", "#!/bin/bash\n", 0o755)
        .unwrap();
    let output = machine.run(TRY_PORTS).unwrap();
    let log = machine.read("boot.log").unwrap_or_default();
    assert!(output.status.success(), "{}{log}", said(&output));
    let tried = String::from_utf8(output.stdout).unwrap();
    tried.lines().map(str::to_owned).collect()
}

#[test]
fn the_firewall_lets_in_what_is_wanted_and_what_comes_from_pods() {
    // 1: refused, for nobody listens; 124: no answer within the second.
    let from_pods =
        ["22", "60000", "60001", "6443", "10250", "8080"].map(|port| format!("10.9.1.1 {port} 1"));
    let mut expected = vec![
        "10.9.0.1 22 1",
        "10.9.0.1 60000 1",
        "10.9.0.1 60001 1",
        "10.9.0.1 6443 124",
        "10.9.0.1 10250 124",
        "10.9.0.1 8080 124",
    ];
    expected.extend(from_pods.iter().map(String::as_str));
    assert_eq!(tried("host"), expected);
}

#[test]
fn a_node_of_kubeadm_lets_the_api_server_in() {
    assert!(tried("kubeadm-node").contains(&"10.9.0.1 10250 1".to_owned()));
}

/// A release of k3s that is the pinned one.
fn release(machine: &Machine) {
    let k3s = Machine::k3s().unwrap();
    let digest = Sha256::digest(&k3s);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let digest = digits.concat();
    machine
        .write("k3s", &String::from_utf8(k3s).unwrap(), 0o644)
        .unwrap();
    for architecture in ["amd64", "arm64"] {
        machine
            .write(&format!("etc/fleet/k3s/{architecture}"), &digest, 0o644)
            .unwrap();
    }
}

#[test]
fn a_k3s_agent_joins_and_forgets_its_token() {
    let machine = machine("k3s-agent", SMALL_KB);
    release(&machine);
    let output = boot(&machine);
    assert_ready(&machine, &output);
    assert!(!said(&output).contains(TOKEN) && !calls(&machine, "").concat().contains(TOKEN));
    assert_eq!(
        machine.read("etc/rancher/k3s/token").unwrap(),
        format!("K10{CA}::000000.0000000000000000")
    );
    assert_eq!(mode(&machine, "etc/rancher/k3s/token"), 0o600);
    let config = machine.read("etc/rancher/k3s/config.yaml").unwrap();
    assert!(
        config.contains("node-external-ip: \"203.0.113.9\"\n"),
        "{config}"
    );
    assert!(
        config.contains("[\"provider-id=hcloud://4711\"]"),
        "{config}"
    );
    assert_eq!(mode(&machine, "etc/rancher/k3s/config.yaml"), 0o600);
    assert_eq!(mode(&machine, "local/bin/k3s"), 0o755);
    let asked = calls(&machine, "k3s");
    assert_eq!(asked.len(), 3);
    assert!(asked[0].contains("get node study-ashburn "), "{}", asked[0]);
    let downloads = calls(&machine, "curl --fail --silent --show-error --location");
    assert!(
        downloads[0].contains("/v1.") && downloads[0].contains("%2Bk3s"),
        "{}",
        downloads[0]
    );
}

#[test]
fn another_k3s_than_the_pinned_one_is_never_run() {
    let machine = machine("k3s-agent", LARGE_KB);
    release(&machine);
    machine
        .write("k3s", "#!/bin/bash\necho evil >> /calls\n", 0o644)
        .unwrap();
    let output = boot(&machine);
    let failed = machine.read("run/fleet/failed").unwrap();
    assert!(
        failed.starts_with("k3s_binary: the checksum of k3s"),
        "{failed}"
    );
    assert_failed(&machine, &output, failed.trim_end());
    assert_eq!(calls(&machine, "evil").len(), 0);
    let left = fs::read_dir(machine.path("local/bin")).unwrap();
    let left = left.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("k3s")).count(), 0);
    assert_eq!(machine.read("etc/rancher/k3s/token"), Some(k3s_token()));
}

#[test]
fn a_k3s_server_keeps_its_password_with_its_data() {
    let machine = machine("k3s-server", LARGE_KB);
    release(&machine);
    assert_ready(&machine, &boot(&machine));
    let link = fs::read_link(machine.path("etc/rancher/node")).unwrap();
    assert_eq!(link.to_str(), Some("/var/lib/rancher/node"));
    assert_eq!(mode(&machine, "var/lib/rancher/node"), 0o700);
    let config = machine.read("etc/rancher/k3s/config.yaml").unwrap();
    assert!(
        config.contains("tls-san: [\"203.0.113.9\", \"fleet.example.org\"]"),
        "{config}"
    );
}

#[test]
fn a_volume_that_does_not_come_is_a_failure_and_no_new_cluster() {
    let machine = machine("k3s-server", LARGE_KB);
    release(&machine);
    machine
        .write("etc/fleet/data-device", "/dev/disk/by-id/none", 0o644)
        .unwrap();
    let output = boot(&machine);
    assert_failed(
        &machine,
        &output,
        "data_volume: the volume /dev/disk/by-id/none is not there",
    );
    assert!(calls(&machine, "sleep").len() > 20);
}

#[test]
fn only_a_blank_volume_is_formatted() {
    let machine = machine("k3s-server", LARGE_KB);
    let script = "set -euo pipefail; . /usr/local/lib/fleet/role.sh
        truncate --size 16M /blank
        format_if_blank /blank; blkid -o value -s TYPE /blank
        sha256sum /blank > /sum; format_if_blank /blank; sha256sum --check /sum
        mkswap /blank > /dev/null; sha256sum /blank > /sum; format_if_blank /blank; sha256sum --check /sum";
    let output = machine.run(script).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "ext4\n/blank: OK\n/blank: OK\n"
    );
}

#[test]
fn a_node_of_kubeadm_joins_when_it_can_and_forgets_its_token() {
    let machine = machine("kubeadm-node", SMALL_KB);
    machine
        .write("local/bin/kubelet", "#!/bin/bash\n", 0o755)
        .unwrap();
    let output = boot(&machine);
    assert_ready(&machine, &output);
    assert!(!said(&output).contains(TOKEN) && !calls(&machine, "").concat().contains(TOKEN));
    assert!(!machine.path("etc/fleet/join.yaml").exists());
    let joined = machine.read("joined-with").unwrap();
    assert!(joined.contains("value: \"hcloud://4711\"\n"), "{joined}");
    assert!(!machine.path("swapfile").exists());
    assert_eq!(calls(&machine, "kubeadm").len(), 5);
}

#[test]
fn an_image_without_kubelet_says_so() {
    let machine = machine("kubeadm-node", LARGE_KB);
    let output = boot(&machine);
    let reason = "kubeadm_join: the image has no kubelet; make one with kubelet and kubeadm";
    assert_failed(&machine, &output, reason);
}

#[test]
fn a_container_leaves_the_kernel_alone() {
    let machine = machine("host", SMALL_KB);
    machine.write("in-container", "", 0o644).unwrap();
    assert_ready(&machine, &boot(&machine));
    assert_eq!(calls(&machine, "sysctl").len(), 0);
    assert!(!machine.path("swapfile").exists());
}

#[test]
fn the_scripts_are_valid_bash() {
    for role in crate::user_data::ROLES {
        for file in files(&text(role)) {
            if file.path.starts_with("/usr/local/lib/fleet/") {
                let output = Command::new("bash")
                    .args(["-n", "-c", &file.content])
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{}: {}", file.path, said(&output));
            }
        }
    }
}
