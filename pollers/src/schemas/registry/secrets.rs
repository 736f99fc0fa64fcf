//! What a registry is shown, out of the secrets that settings refer to: as AWS writes such secrets, in JSON, or
//! as plain text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_clients::{Clients, ExposeSecret, SecretString, secret};
use forebay_config::SecretRef;
use forebay_config::schema_registry::{RegistryAccess, RegistryAuthorization};
use http::HeaderValue;
use serde_json::{Map, Value};

use super::RegistryError;

/// Secrets, looked up.
#[derive(Default)]
pub(super) struct RegistrySecrets {
    /// The whole header.
    pub(super) authorization: Option<HeaderValue>,
    /// Certificate and key, PEM texts.
    pub(super) identity: Option<(SecretString, SecretString)>,
    /// PEM text.
    pub(super) ca: Option<SecretString>,
}

/// Looks all of them up.
pub(super) async fn look_up(
    access: &RegistryAccess,
    variable: impl Fn(&str) -> Option<String>,
    clients: &Clients,
) -> Result<RegistrySecrets, RegistryError> {
    let found = async |key: &'static str, reference: &SecretRef| {
        let text = secret::look_up(reference, &variable, clients).await;
        let text = text.map_err(|cause| RegistryError::Secret { key, cause: cause.into() })?;
        Ok::<_, RegistryError>(FoundSecret { key, reference: reference.clone(), text })
    };
    let authorization = match &access.authorization {
        None => None,
        Some(RegistryAuthorization::Basic(it)) => Some(found("basic_auth", it).await?.basic()?),
        Some(RegistryAuthorization::Bearer(it)) => Some(found("bearer", it).await?.bearer()?),
    };
    let identity = match &access.client_certificate {
        None => None,
        Some(it) => Some(found("client_certificate", it).await?.identity()?),
    };
    let ca = match &access.ca_certificate {
        None => None,
        Some(it) => Some(found("ca_certificate", it).await?.certificate()?),
    };
    Ok(RegistrySecrets { authorization, identity, ca })
}

/// A secret, and where it was found.
struct FoundSecret {
    key: &'static str,
    reference: SecretRef,
    text: SecretString,
}

impl FoundSecret {
    fn wrong(&self, what: &'static str) -> RegistryError {
        RegistryError::SecretForm { key: self.key, reference: self.reference.clone(), what }
    }

    /// The members, where it is JSON.
    fn members(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.text.expose_secret()).ok()
    }

    fn member<'m>(
        &self,
        members: &'m Map<String, Value>,
        name: &str,
        what: &'static str,
    ) -> Result<&'m str, RegistryError> {
        let text = members.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
        text.ok_or_else(|| self.wrong(what))
    }

    fn basic(&self) -> Result<HeaderValue, RegistryError> {
        let pair = match self.members() {
            Some(members) => {
                let what = "is JSON without a `username` and a `password`";
                let [user, password] = ["username", "password"].map(|it| self.member(&members, it, what));
                SecretString::from(format!("{}:{}", user?, password?))
            }
            None if self.text.expose_secret().contains(':') => self.text.clone(),
            None => return Err(self.wrong("is neither `user:password` nor JSON")),
        };
        self.header(&format!("Basic {}", STANDARD.encode(pair.expose_secret())))
    }

    fn bearer(&self) -> Result<HeaderValue, RegistryError> {
        self.header(&format!("Bearer {}", self.text.expose_secret()))
    }

    /// A value that is never shown.
    fn header(&self, text: &str) -> Result<HeaderValue, RegistryError> {
        let mut value =
            HeaderValue::from_str(text).map_err(|_| self.wrong("holds what a header cannot hold"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn identity(&self) -> Result<(SecretString, SecretString), RegistryError> {
        let Some(members) = self.members() else {
            // Certificate and key may stand in one text: each reader finds its own.
            return Ok((self.text.clone(), self.text.clone()));
        };
        let what = "is JSON without a `certificate` and a `privateKey`";
        let [certificate, key] = ["certificate", "privateKey"].map(|it| self.member(&members, it, what));
        Ok((certificate?.to_owned().into(), key?.to_owned().into()))
    }

    fn certificate(&self) -> Result<SecretString, RegistryError> {
        let Some(members) = self.members() else { return Ok(self.text.clone()) };
        let certificate = self.member(&members, "certificate", "is JSON without a `certificate`")?;
        Ok(certificate.to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn looked_up(access: RegistryAccess, secret: &str) -> Result<RegistrySecrets, String> {
        let found = look_up(&access, |_| Some(secret.to_owned()), &Clients::default()).await;
        found.map_err(|error| format!("{} {error} {error:?}", error.code()))
    }

    #[tokio::test]
    async fn a_password_is_text_or_json_and_never_shown() {
        let basic = || RegistryAccess {
            authorization: Some(RegistryAuthorization::Basic(SecretRef::Env("R".to_owned()))),
            ..RegistryAccess::default()
        };
        for secret in ["ann:hunter2", r#"{"username":"ann","password":"hunter2"}"#] {
            let header = looked_up(basic(), secret).await.unwrap().authorization.unwrap();
            assert_eq!(header.to_str().unwrap(), "Basic YW5uOmh1bnRlcjI=");
            assert!(header.is_sensitive());
        }
        for secret in ["hunter2", r#"{"username":"hunter2"}"#, r#"{"username":"","password":"hunter2"}"#] {
            let error = looked_up(basic(), secret).await.err().unwrap();
            assert!(error.starts_with("FB-0390 the secret of `access.basic_auth`, env:R, is "), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let bearer = RegistryAccess {
            authorization: Some(RegistryAuthorization::Bearer(SecretRef::Env("R".to_owned()))),
            ..RegistryAccess::default()
        };
        let header = looked_up(bearer.clone(), "t0ken").await.unwrap().authorization.unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer t0ken");
        assert!(looked_up(bearer, "t0\nken").await.err().unwrap().contains("a header cannot hold"));
    }

    #[tokio::test]
    async fn a_certificate_is_text_or_json() {
        let access = RegistryAccess {
            authorization: None,
            client_certificate: Some(SecretRef::Env("C".to_owned())),
            ca_certificate: Some(SecretRef::Env("C".to_owned())),
        };
        let secrets = looked_up(access.clone(), r#"{"certificate":"c","privateKey":"k"}"#).await.unwrap();
        let (certificate, key) = secrets.identity.unwrap();
        assert_eq!((certificate.expose_secret(), key.expose_secret()), ("c", "k"));
        assert_eq!(secrets.ca.unwrap().expose_secret(), "c");
        let (certificate, key) = looked_up(access.clone(), "pem").await.unwrap().identity.unwrap();
        assert_eq!((certificate.expose_secret(), key.expose_secret()), ("pem", "pem"));
        assert!(looked_up(access, r#"{"certificate":"c"}"#).await.err().unwrap().contains("privateKey"));
    }
}
