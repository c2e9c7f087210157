//! A certificate authority for one control plane, and the kubeconfig files its certificates allow.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};

/// The first address of the service range, under which the API server is known inside a cluster.
const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// The authority and the files the servers are started with.
pub(crate) struct Certificates {
    pub(crate) server_url: String,
    pub(crate) ca: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
    /// Signs service account tokens. An elliptic-curve key: the servers take it, and it needs no further library.
    pub(crate) service_account_key: PathBuf,
    pub(crate) service_account_public_key: PathBuf,
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Writes the authority, the API server's certificate and the service account key pair into `directory`.
    pub(crate) fn write(directory: &Path, api_port: u16) -> Self {
        fs::create_dir_all(directory).expect("the run directory is writable");
        let mut authority = named("foresail-test-authority", None);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("the random source works");
        let ca = write(directory, "ca.crt", &authority.self_signed(&key).expect("a valid authority").pem());
        let service_account = KeyPair::generate().expect("the random source works");
        let certificates = Self {
            server_url: format!("https://127.0.0.1:{api_port}"),
            ca,
            server: directory.join("server.crt"),
            server_key: directory.join("server.key"),
            service_account_key: write(directory, "service-account.key", &service_account.serialize_pem()),
            service_account_public_key: write(
                directory,
                "service-account.pub",
                &service_account.public_key_pem(),
            ),
            directory: directory.to_owned(),
            issuer: Issuer::new(authority, key),
        };
        certificates.sign("server", &server_params());
        certificates
    }

    /// Writes a kubeconfig for `user` in group `system:masters`, which RBAC lets do everything, and returns its path.
    pub(crate) fn write_master_kubeconfig(&self, user: &str) -> PathBuf {
        let mut params = named(user, Some("system:masters"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let file_name = user.replace(':', "-");
        let (certificate, key) = self.sign(&file_name, &params);
        let path = self.directory.join(format!("{file_name}.kubeconfig"));
        let identity = json!({ "client-certificate": certificate, "client-key": key });
        self.write_kubeconfig(&path, &identity, "default");
        path
    }

    /// Writes a kubeconfig that shows a bearer token.
    pub(crate) fn write_token_kubeconfig(&self, path: &Path, token: &str, namespace: &str) {
        self.write_kubeconfig(path, &json!({ "token": token }), namespace);
    }

    fn write_kubeconfig(&self, path: &Path, identity: &Value, namespace: &str) {
        // JSON is YAML, which is what its readers expect.
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": { "server": self.server_url, "certificate-authority": self.ca } }],
            "users": [{ "name": "test", "user": identity }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test", "namespace": namespace } }],
            "current-context": "test",
        });
        fs::write(path, kubeconfig.to_string()).expect("the run directory is writable");
    }

    fn sign(&self, file_name: &str, params: &CertificateParams) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("the random source works");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        (
            write(&self.directory, &format!("{file_name}.crt"), &certificate.pem()),
            write(&self.directory, &format!("{file_name}.key"), &key.serialize_pem()),
        )
    }
}

fn server_params() -> CertificateParams {
    let mut params = named("kube-apiserver", None);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into().expect("ASCII")),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V4(SERVICE_ADDRESS)),
    ];
    params
}

fn named(common_name: &str, organisation: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        params.distinguished_name.push(DnType::OrganizationName, organisation);
    }
    params
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("the run directory is writable");
    path
}
