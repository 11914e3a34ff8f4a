//! A login that leaves nothing behind.

use std::{env, fs, io, path::PathBuf, sync::Arc};

use serde_json::Value;
use tempfile::TempDir;

use super::last_words;
use crate::{
    error::{Error, ErrorKind, Result},
    image::{Command, CommandRunner, RegistryCredentials},
};

/// A configuration folder for one push: the user's own, without what it says about this
/// registry. Its folder is readable by the user only, and removed on drop.
#[derive(Debug)]
pub(super) struct Login {
    folder: TempDir,
}

/// What of the user's configuration is shared: plugins and contexts, which hold no passwords of
/// this registry.
const SHARED: [&str; 3] = ["cli-plugins", "contexts", "buildx"];

impl Login {
    pub(super) fn new(credentials: &RegistryCredentials) -> Result<Self> {
        Self::beside(credentials, own_configuration()).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "make a folder for the login").with_source(error)
        })
    }

    fn beside(credentials: &RegistryCredentials, own: Option<PathBuf>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("bluegreen-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir()?;
        let mut configuration = own
            .as_ref()
            .and_then(|own| fs::read(own.join("config.json")).ok())
            .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            .filter(Value::is_object)
            .unwrap_or_else(|| serde_json::json!({}));
        if let Some(configuration) = configuration.as_object_mut() {
            // A credential store would keep the password after the run.
            configuration.remove("credsStore");
            for list in ["auths", "credHelpers"] {
                if let Some(list) = configuration.get_mut(list).and_then(Value::as_object_mut) {
                    list.remove(&credentials.host);
                    list.remove(&format!("https://{}", credentials.host));
                }
            }
        }
        fs::write(folder.path().join("config.json"), configuration.to_string())?;
        #[cfg(unix)]
        if let Some(own) = own {
            for name in SHARED {
                let from = own.join(name);
                if from.is_dir() {
                    std::os::unix::fs::symlink(from, folder.path().join(name))?;
                }
            }
        }
        Ok(Self { folder })
    }

    pub(super) fn in_use(&self, command: Command) -> Command {
        command.env("DOCKER_CONFIG", self.folder.path())
    }

    pub(super) async fn log_in(
        &self,
        program: Command,
        commands: &dyn CommandRunner,
        credentials: &RegistryCredentials,
    ) -> Result<()> {
        let command = program
            .args([
                "login",
                "--username",
                &credentials.user,
                "--password-stdin",
                &credentials.host,
            ])
            .with_input(credentials.password());
        let done = commands
            .run(self.in_use(command), Arc::new(|_, _| {}))
            .await?;
        if done.is_success() {
            return Ok(());
        }
        let attempted = format!("log in to {} as {}", credentials.host, credentials.user);
        Err(Error::new(ErrorKind::Denied, attempted)
            .with_hint("the registry does not take these credentials")
            .with_source(last_words(&done)))
    }
}

fn own_configuration() -> Option<PathBuf> {
    match env::var_os("DOCKER_CONFIG") {
        Some(folder) => Some(folder.into()),
        None => Some(PathBuf::from(env::var_os("HOME")?).join(".docker")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn p12_keeps_the_users_own_and_forgets_this_registrys_credentials() {
        let own = tempfile::tempdir().expect("a folder");
        fs::create_dir(own.path().join("cli-plugins")).expect("a folder");
        let text = r#"{"auths": {"r:1": {"auth": "old"}, "other": {"auth": "kept"}}, "credsStore": "desktop",
            "credHelpers": {"r:1": "x"}, "currentContext": "remote"}"#;
        fs::write(own.path().join("config.json"), text).expect("a file");
        let credentials = RegistryCredentials::new("r:1", "AWS", "password");
        let login = Login::beside(&credentials, Some(own.path().to_owned())).expect("made");
        let path = login.folder.path().to_owned();
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let text = fs::read_to_string(path.join("config.json")).expect("a file");
        assert!(text.contains("kept") && text.contains("remote"), "{text}");
        assert!(!text.contains("old") && !text.contains("desktop") && !text.contains("password"));
        assert!(path.join("cli-plugins").is_dir());
        drop(login);
        assert!(!path.exists());
        assert!(
            own.path().join("cli-plugins").is_dir(),
            "a link was removed, not what it names"
        );
    }
}
