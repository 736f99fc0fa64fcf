//! Every call of Lambda's API and every page, asked for by each role and by nobody, on both listeners,
//! against the table of roles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use forebay_api::auth::{Keys, RequestedAction, Role, Rules, Verifier};
use forebay_api::error::ApiError;
use forebay_api::mapping::{
    CreateMapping, ListMappings, MappingConfiguration, MappingList, Operation, TagList, UpdateMapping,
};
use forebay_api::server::{
    Access, CallerRate, Front, Guard, Hosts, Listener, PassOn, Policy, Tls, Token, Via,
};
use forebay_api::service::{BoxFuture, MappingService};
use forebay_daemon::admin::routes::ROUTES;
use forebay_daemon::registry::{Entry, Registry};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::admin::listening_behind;

const ROLES: [Role; 3] = [Role::Reader, Role::Operator, Role::Admin];
const ARN: &str = "/2017-03-31/tags/arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2";
const ONE: &str = "/2015-03-31/event-source-mappings/14e0db71-5d35-4eb5-b481-8945cf9d10c2";
const ALL: &str = "/2015-03-31/event-source-mappings";

/// Has no mapping and makes none.
struct Empty;

impl MappingService for Empty {
    fn create(&self, _: CreateMapping) -> BoxFuture<'_, Result<MappingConfiguration, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn list(&self, _: ListMappings) -> BoxFuture<'_, Result<MappingList, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn update<'a>(
        &'a self,
        _: &'a str,
        _: UpdateMapping,
    ) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<MappingConfiguration, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn tags<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<TagList, ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn tag<'a>(&'a self, _: &'a str, _: BTreeMap<String, String>) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }

    fn untag<'a>(&'a self, _: &'a str, _: Vec<String>) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async { Err(ApiError::no_mapping()) })
    }
}

fn token(role: Role) -> String {
    format!("fbt_{}-0123456789abcdef0123456789abcdef", role.name())
}

fn guard() -> Guard {
    let tokens = ROLES.map(|role| Token {
        name: role.name().to_owned(),
        role,
        sha256: Sha256::digest(token(role)).into(),
    });
    let access = Access::Keys {
        verifier: Verifier::new(Rules::lambda("eu-west-1"), Keys::default()),
        tokens: tokens.to_vec(),
    };
    let rate = CallerRate { requests_per_second: NonZeroU32::MAX, requests_burst: NonZeroU32::MAX };
    Guard::new(Policy { account: "000000000000".to_owned(), access, hosts: Hosts::default(), rate })
}

/// The calls of Lambda's API.
fn calls() -> Vec<(String, String, Option<RequestedAction>)> {
    let found = |method: &str, path: &str| {
        let operation = Operation::find(method, path).unwrap();
        (
            method.to_owned(),
            path.to_owned(),
            Some(operation.map_or(RequestedAction::PassOn, |it| it.action())),
        )
    };
    vec![
        found("POST", ALL),
        found("GET", ALL),
        found("GET", ONE),
        found("PUT", ONE),
        found("DELETE", ONE),
        found("GET", ARN),
        found("POST", ARN),
        found("DELETE", ARN),
        found("GET", "/2015-03-31/functions"),
        found("POST", "/2015-03-31/functions/f/invocations"),
        found("DELETE", "/2015-03-31/functions/f"),
    ]
}

/// Status and body.
async fn ask(address: SocketAddr, method: &str, path: &str, role: Option<Role>) -> (u16, String) {
    let authorization = role.map(|it| format!("authorization: Bearer {}\r\n", token(it))).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{authorization}content-length: 2\r\n\r\n{{}}"
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    (answer[9..12].parse().unwrap(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn each_role_may_on_each_route_what_the_table_of_roles_says() {
    let (guard, registry) = (guard(), Arc::new(Registry::default()));
    registry.insert(Entry::new("m", "fake", "fake:there".into(), "f".into()).0);
    let mut listening = listening_behind(registry, &guard).await;
    // A reload is answered at once: nobody does it.
    listening.asked.close();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap();
    let front = Front::new(guard, Arc::new(Empty), PassOn::new(None));
    let _server = Listener::Tcp(listener, Tls::default())
        .serve(Via::Api, front.router(listening.admin.pages().clone()));

    let pages =
        ROUTES.iter().map(|it| (it.method.to_string(), it.path.replace("{name}", "nobody"), it.action));
    // Who collects metrics on loopback needs no key.
    let at_admin = pages
        .clone()
        .map(|(method, path, action)| (method, path.clone(), action.filter(|_| path != "/metrics")));
    let at_admin = at_admin.map(|it| (it, listening.admin.address()));
    let at_api = pages.chain(calls()).map(|it| (it, api));
    let mut seen = BTreeSet::new();
    for ((method, path, action), address) in at_admin.chain(at_api) {
        seen.extend(action);
        let (status, body) = ask(address, &method, &path, None).await;
        assert_eq!(status == 403, action.is_some(), "{method} {path} by nobody: {status} {body}");
        for role in ROLES {
            let (status, body) = ask(address, &method, &path, Some(role)).await;
            let may = action.is_none_or(|it| role.may(it));
            assert_eq!(status != 403, may, "{method} {path} at {address} by {role:?}: {status} {body}");
            if let (Some(action), false) = (action, may) {
                assert!(body.contains(action.name()) && body.contains(role.name()), "{body}");
            }
        }
    }
    assert_eq!(seen, BTreeSet::from(RequestedAction::ALL), "every action was asked for");
}
