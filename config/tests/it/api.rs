//! The `api:` block and `keys:`: what is taken, what is refused, and that no refusal repeats a secret.

use crate::common::{Variables, check, check_all, lines};
use forebay_config::{KeyProof, KeyRole, SecretRef};

const HASH: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

fn found(text: &str) -> String {
    let text = format!("{text}\nevent_source_mappings: []\n");
    lines(
        &check_all(&[("forebay.yaml", &text)], &Variables(&[("SECRET", "hunter2")]))
            .err()
            .unwrap_or_default(),
    )
}

#[test]
fn without_a_word_the_api_stands_on_loopback_for_everybody_there() {
    let api = check("event_source_mappings: []").unwrap().settings.api;
    assert_eq!(api.listen.map(|it| it.to_string()).as_deref(), Some("127.0.0.1:9471"));
    assert!(api.keys.is_empty() && api.tls.is_none() && api.allowed_hosts.is_empty());
    assert_eq!((api.requests_per_second.get(), api.requests_burst.get()), (256, 1024));
    let off = check("api: { listen: off }\nevent_source_mappings: []").unwrap().settings.api;
    assert_eq!(off.listen, None);
}

#[test]
fn keys_say_who_they_are_and_where_their_secrets_are() {
    let text = format!(
        "api: {{ listen: \"0.0.0.0:9471\", tls: {{ cert_file: c.pem, key_file: /k.pem }}, allowed_hosts: [Lambda.Example.com], requests_per_second: 1, requests_burst: 1000000 }}\n\
         keys:\n  - {{ id: AKID, role: operator, secret: \"file:key\", session_token: \"env:TOKEN\" }}\n  \
         - {{ name: curl, role: reader, token_sha256: {HASH} }}\nevent_source_mappings: []\n"
    );
    let api = check(&text).unwrap().settings.api;
    assert_eq!(api.allowed_hosts, ["lambda.example.com"]);
    assert_eq!((api.requests_per_second.get(), api.requests_burst.get()), (1, 1_000_000));
    assert_eq!(api.files(), ["/base/c.pem", "/k.pem", "/base/key"].map(std::path::PathBuf::from));
    let tls = api.tls.unwrap();
    assert_eq!((tls.cert_file.to_str(), tls.key_file.to_str()), (Some("/base/c.pem"), Some("/k.pem")));
    assert_eq!((api.keys[0].role, api.keys[1].role), (KeyRole::Operator, KeyRole::Reader));
    let secret = SecretRef::File("/base/key".into());
    let signature = KeyProof::Signature {
        id: "AKID".to_owned(),
        secret,
        session_token: Some(SecretRef::Env("TOKEN".to_owned())),
    };
    assert_eq!(api.keys[0].proof, signature);
    assert!(
        matches!(&api.keys[1].proof, KeyProof::Token { name, sha256 } if name == "curl" && sha256[..3] == [0x01, 0x23, 0x45])
    );
}

#[test]
fn a_secret_in_place_of_its_reference_is_refused_and_not_repeated() {
    for secret in
        ["hunter2", "${SECRET}", "env:hunter-2", "arn:aws:secretsmanager:eu-west-1:1:secret:hunter2"]
    {
        let found = found(&format!("keys: [{{ id: k, role: admin, secret: \"{secret}\" }}]"));
        assert!(
            found.contains("FB-0106 keys[0].secret: must say where the secret is")
                && !found.contains("hunter"),
            "{found}"
        );
    }
    let found = found("keys: [{ name: n, role: admin, token_sha256: fbt_hunter2 }]");
    assert!(found.contains("FB-0106 keys[0].token_sha256") && !found.contains("hunter"), "{found}");
}

#[test]
fn a_line_that_may_hold_a_secret_is_not_drawn() {
    for text in [
        "keys: [{ id: k, role: admin, secret: hunter2 }]\n",
        "keys: [{ id: k, role: root, secret: \"env:A\", session_token: hunter2 }]\n",
        "keys:\n  - id: k\n    role: admin\n    secret:\n      hunter2\n",
        "functions: { f: { executor: { http: { url: \"ftp://x\", headers: { a: hunter2 } } } } }\n",
        "functions:\n  f:\n    executor:\n      http:\n        url: \"http://u:hunter2@x\"\n",
        "functions:\n  f:\n    executor:\n      http:\n        url: \"ftp://x/?key=hunter2\"\n",
        "functions: { f: { executor: { process: { runtime: cobol, handler: a.b, code: c, environment: { A: hunter2 } } } } }\n",
    ] {
        let texts = [("forebay.yaml", text)];
        let drawn = crate::common::drawn(&texts, &check_all(&texts, &Variables(&[])).unwrap_err());
        assert!(drawn.contains("forebay.yaml:") && !drawn.contains("hunter"), "{drawn}");
    }
}

#[test]
fn what_others_can_reach_needs_keys_and_a_certificate() {
    let keys = "keys: [{ id: k, role: admin, secret: env:K }]";
    let tls = "tls: { cert_file: c, key_file: k }";
    let exposed = |text: String, missing: &str| {
        let found = found(&text);
        assert!(
            found.contains(&format!(
                "FB-0517 api.listen: others can reach 0.0.0.0:1, and {missing} are not written"
            )),
            "{found}"
        );
    };
    exposed("api: { listen: \"0.0.0.0:1\" }".to_owned(), "`keys` and `api.tls`");
    exposed(format!("api: {{ listen: \"0.0.0.0:1\", {tls} }}"), "`keys`");
    exposed(format!("api: {{ listen: \"0.0.0.0:1\" }}\n{keys}"), "`api.tls`");
    assert_eq!(found(&format!("api: {{ listen: \"0.0.0.0:1\", {tls} }}\n{keys}")), "");
    assert_eq!(found("api: { listen: \"[::1]:1\" }"), "");
}

#[test]
fn mistakes_in_keys_are_named() {
    let has = |text: &str, wanted: &str| {
        let found = found(text);
        assert!(found.contains(wanted), "{text}: {found}");
    };
    has("keys: [{ id: k, role: admin }]", "FB-0107 keys[0].secret");
    has("keys: [{ role: admin }]", "FB-0107 keys[0].id");
    has("keys: [{ name: n, role: admin }]", "FB-0107 keys[0].token_sha256");
    has("keys: [{ id: k, role: root, secret: env:K }]", "FB-0106 keys[0].role");
    has(&format!("keys: [{{ name: n, id: k, role: admin, token_sha256: {HASH} }}]"), "FB-0110 keys[0].id");
    let twice = "{ id: k, role: admin, secret: env:K }";
    has(&format!("keys: [{twice}, {twice}]"), "FB-0111 keys[1]");
    has("keys: [{ id: \"a b\", role: admin, secret: env:K }]", "FB-0106 keys[0].id");
    has("api: { requests_per_second: 0 }", "FB-0106 api.requests_per_second");
    has("api: { requests_burst: 1000001 }", "FB-0106 api.requests_burst");
    has("api: { allowed_hosts: [\"a.b:80\"] }", "FB-0106 api.allowed_hosts[0]");
    has("api: { tls: { cert_file: c } }", "FB-0107 api.tls.key_file");
}
