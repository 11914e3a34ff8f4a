//! [`TaskDefinition`]: the document itself, copied without loss.

use std::fmt;

use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::{conversions, task_rules};
use crate::{
    aws::{
        document::File,
        model::{Input, fields_of_input, fields_of_output},
    },
    error::{Error, ErrorKind, Result},
    image::ImageRef,
    preflight::Finding,
};

/// A task definition as JSON, spelt as the AWS CLI prints it.
///
/// `Debug` shows the family and the containers; environment variables may hold anything.
///
/// # Examples
///
/// ```
/// use bluegreen::{aws::ecs::TaskDefinition, image::ImageRef};
///
/// let definition = TaskDefinition::from_json(
///     r#"{"family": "chatbot", "containerDefinitions": [{"name": "app", "image": "app:latest"}]}"#,
/// )?;
/// let image: ImageRef = format!("registry/chatbot@sha256:{}", "a".repeat(64)).parse()?;
/// let pinned = definition.clone().with_image("app", &image)?;
/// assert_eq!(pinned.image_of("app"), Some(image.to_string().as_str()));
/// assert!(definition.with_image("api", &image).is_err(), "containers are found by name");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TaskDefinition {
    /// The fields that a register accepts.
    document: Map<String, Value>,
    /// The file that it was read from, if any.
    file: Option<File>,
}

impl TaskDefinition {
    /// Reads a file: what a register accepts, or what a describe prints, wrapped in
    /// `taskDefinition` or not. Missing and misspelt fields are among its
    /// [`findings`](Self::findings).
    ///
    /// # Errors
    ///
    /// `Invalid` if it is not a JSON object, with line and column.
    pub fn from_json(text: &str) -> Result<Self> {
        let what = "task definition";
        let (file, document) =
            File::read(what, Input::TaskDefinition, text, Some("taskDefinition"))?;
        let around = ["taskDefinition", "tags", "ResponseMetadata"];
        let beside = |name: &&String| !around.contains(&name.as_str());
        if document.contains_key("taskDefinition")
            && let Some(name) = document.keys().find(beside)
        {
            return Err(invalid(&format!("`{name}` stands beside `taskDefinition`"))
                .with_hint("put everything inside `taskDefinition`, or leave it out"));
        }
        Ok(Self {
            document: unwrapped(Value::Object(document))?,
            file: Some(file),
        })
    }

    /// Reads the answer of DescribeTaskDefinition, or the bare document.
    pub(crate) fn from_described(answer: Value) -> Result<Self> {
        let document = unwrapped(answer)?;
        let definition = Self {
            document,
            file: None,
        };
        if definition.family().is_empty() {
            return Err(invalid("it has no `family`"));
        }
        if definition.containers().is_empty() {
            return Err(invalid("it has no containers"));
        }
        Ok(definition)
    }

    /// Accepts a field or value that is newer than this crate's model of AWS, by its path as a
    /// finding names it. It reaches AWS as it is, and its finding becomes a note.
    #[must_use]
    pub fn accept_unknown(mut self, path: &str) -> Self {
        if let Some(file) = &mut self.file {
            file.accept(path);
        }
        self
    }

    /// The family.
    #[must_use]
    pub(crate) fn family(&self) -> &str {
        let family = self.document.get("family").and_then(Value::as_str);
        family.unwrap_or_default()
    }

    /// The names of the containers, in order.
    #[must_use]
    pub(crate) fn containers(&self) -> Vec<&str> {
        let names = self.container_definitions();
        names.map(|container| text(container, "name")).collect()
    }

    /// The image of a container.
    #[must_use]
    pub fn image_of(&self, container: &str) -> Option<&str> {
        self.container(container)?.get("image")?.as_str()
    }

    /// The platform that its tasks run on, as container engines name it, such as `linux/arm64`;
    /// `None` if the container instances decide. On Fargate it is `linux/amd64` if the definition
    /// does not name another
    /// ([ECS API](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RuntimePlatform.html)).
    #[must_use]
    pub(crate) fn platform(&self) -> Option<String> {
        let platform = self.document.get("runtimePlatform");
        let said = |field: &str| platform?.get(field)?.as_str();
        let needs = self
            .document
            .get("requiresCompatibilities")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let is_fargate = needs.into_iter().any(|one| one == "FARGATE");
        let architecture = match said("cpuArchitecture") {
            Some("ARM64") => "arm64",
            Some("X86_64") => "amd64",
            None if is_fargate => "amd64",
            _ => return None,
        };
        let system = match said("operatingSystemFamily") {
            Some(family) if family.starts_with("WINDOWS") => "windows",
            _ => "linux",
        };
        Some(format!("{system}/{architecture}"))
    }

    /// Returns the same definition with another image in the container of this name.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no container of this name; the hint lists the names.
    pub fn with_image(mut self, container: &str, image: &ImageRef) -> Result<Self> {
        let names = self.containers().join(", ");
        let containers = self
            .document
            .get_mut("containerDefinitions")
            .and_then(Value::as_array_mut);
        let found = containers
            .into_iter()
            .flatten()
            .find(|one| text(one, "name") == container)
            .and_then(Value::as_object_mut);
        let Some(found) = found else {
            let message = format!("set the image of container `{container}`");
            let hint = format!("its containers are: {names}");
            return Err(Error::new(ErrorKind::Invalid, message).with_hint(hint));
        };
        found.insert("image".to_owned(), Value::String(image.to_string()));
        Ok(self)
    }

    /// Everything that is wrong with it: a refusal for what AWS would refuse or run otherwise than
    /// was meant, a note for what is merely unwise.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let rules = task_rules::task_definition(&Value::Object(self.document.clone()));
        match &self.file {
            Some(file) => file.findings(Input::TaskDefinition, &read_only(), rules),
            None => Vec::from_iter(rules.into_iter().map(|told| told.into_finding(None))),
        }
    }

    /// Whether AWS would run the same by both definitions: what AWS fills in, converts or leaves
    /// out does not count ("1 vCPU" is 1024), and neither does the order of containers, environment
    /// variables, secrets, tags and other lists whose order has no meaning.
    #[must_use]
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }

    /// What `other` changes, as lines of a unified diff. Values of environment variables are
    /// masked: the diff shows that a value changed, but not the value.
    #[must_use]
    pub(crate) fn diff(&self, other: &Self) -> Vec<String> {
        let (mut before, mut after) = (self.canonical(), other.canonical());
        mask(&mut after, Some(&before));
        mask(&mut before, None);
        let pretty = |value: &Value| format!("{value:#}\n");
        let (before, after) = (pretty(&before), pretty(&after));
        let diff = TextDiff::from_lines(&before, &after);
        let unified = diff.unified_diff().context_radius(2).to_string();
        unified.lines().map(str::to_owned).collect()
    }

    /// The exact input of RegisterTaskDefinition.
    pub(crate) fn register_input(&self) -> Value {
        Value::Object(self.document.clone())
    }

    /// The place of a container's log lines for a task, if they go to CloudWatch.
    pub(crate) fn log_place(&self, container: &str, task: &str) -> Option<String> {
        let logs = self.container(container)?.get("logConfiguration")?;
        let options = logs.get("options")?;
        let group = options.get("awslogs-group")?.as_str()?;
        let place = match options.get("awslogs-stream-prefix").and_then(Value::as_str) {
            Some(prefix) => format!("log group {group}, stream {prefix}/{container}/{task}"),
            None => format!("log group {group}"),
        };
        Some(place)
    }

    fn container_definitions(&self) -> impl Iterator<Item = &Value> {
        let containers = self.document.get("containerDefinitions");
        containers.and_then(Value::as_array).into_iter().flatten()
    }

    fn container(&self, name: &str) -> Option<&Value> {
        self.container_definitions()
            .find(|container| text(container, "name") == name)
    }

    fn canonical(&self) -> Value {
        conversions::canonical(&self.document)
    }
}

impl PartialEq for TaskDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

fn invalid(message: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("read a task definition: {message}"),
    )
}

/// The fields that AWS adds when it describes a task definition, and refuses when it registers one.
/// Everything else is kept, even fields that this crate does not know.
fn read_only() -> Vec<String> {
    let sent: Vec<&str> = fields_of_input(Input::TaskDefinition).collect();
    let answered = fields_of_output("TaskDefinition").iter();
    let added = answered.filter(|name| !sent.contains(&name.as_str()));
    added.cloned().collect()
}

/// The document inside an answer, with the fields that a register accepts.
fn unwrapped(answer: Value) -> Result<Map<String, Value>> {
    let Value::Object(mut document) = answer else {
        return Err(invalid("not a JSON object"));
    };
    if let Some(inner) = document.remove("taskDefinition") {
        let tags = document.remove("tags");
        let Value::Object(inner) = inner else {
            return Err(invalid("`taskDefinition` is not a JSON object"));
        };
        document = inner;
        if let Some(tags) = tags {
            document.insert("tags".to_owned(), tags);
        }
    }
    for field in read_only() {
        document.remove(&field);
    }
    // AWS keeps tags of its own, which only AWS may write.
    let is_ours = |tag: &Value| !text(tag, "key").starts_with("aws:");
    if let Some(Value::Array(tags)) = document.get_mut("tags") {
        tags.retain(is_ours);
        if tags.is_empty() {
            document.remove("tags");
        }
    }
    Ok(document)
}

fn list_mut<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = value.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// Options of log drivers that hold no secret.
const PLACES_OF_LOGS: [&str; 8] = [
    "awslogs-create-group",
    "awslogs-datetime-format",
    "awslogs-group",
    "awslogs-multiline-pattern",
    "awslogs-region",
    "awslogs-stream-prefix",
    "max-buffer-size",
    "mode",
];

/// Masks values that may be secret. A value that differs from the one in `before` is marked as
/// changed.
fn mask(value: &mut Value, before: Option<&Value>) {
    let earlier = |container: &str, field: &str, name: &str| -> Option<Value> {
        let containers = before?.get("containerDefinitions")?.as_array()?;
        let found = containers
            .iter()
            .find(|one| text(one, "name") == container)?;
        let list = found.get(field)?.as_array()?;
        let entry = list.iter().find(|one| text(one, "name") == name)?;
        entry.get("value").cloned()
    };
    for container in list_mut(value, "containerDefinitions") {
        let owner = text(container, "name").to_owned();
        for entry in list_mut(container, "environment") {
            let known = earlier(&owner, "environment", text(entry, "name"));
            let Some(now) = entry.get_mut("value") else {
                continue;
            };
            let is_changed = known.is_some_and(|known| known != *now);
            *now = json!(if is_changed {
                "[masked, changed]"
            } else {
                "[masked]"
            });
        }
        let options = container.pointer_mut("/logConfiguration/options");
        for (name, option) in options.and_then(Value::as_object_mut).into_iter().flatten() {
            // Drivers have options of their own for passwords; only options that say where logs are
            // stay visible.
            if !PLACES_OF_LOGS.contains(&name.as_str()) {
                *option = json!("[masked]");
            }
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl fmt::Debug for TaskDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskDefinition")
            .field("family", &self.family())
            .field("containers", &self.containers())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ]
    }

    fn tree() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z]{1,10}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Every field that a register documents, and some that no version knows yet, with any content.
    fn document() -> impl Strategy<Value = Map<String, Value>> {
        const FIELDS: [&str; 18] = [
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "volumes",
            "placementConstraints",
            "requiresCompatibilities",
            "cpu",
            "memory",
            "pidMode",
            "ipcMode",
            "proxyConfiguration",
            "inferenceAccelerators",
            "ephemeralStorage",
            "runtimePlatform",
            "enableFaultInjection",
            "daemonConfiguration",
            "somethingNew",
            "anotherThing",
        ];
        let fields = prop::collection::btree_map(prop::sample::select(&FIELDS[..]), tree(), 0..12);
        let names = prop::collection::btree_set("[a-z]{1,8}", 1..4);
        let extras = prop::collection::btree_map("[a-z]{3,9}X", tree(), 0..4);
        let tags = prop::collection::vec(("[a-z]{1,6}", "[ -~]{0,8}"), 0..4);
        (fields, names, extras, tags).prop_map(|(fields, names, extras, tags)| {
            let mut document: Map<String, Value> = fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            document.insert("family".to_owned(), json!("chatbot"));
            let containers: Vec<Value> = names
                .into_iter()
                .map(|name| {
                    let mut container: Map<String, Value> = extras.clone().into_iter().collect();
                    container.insert("name".to_owned(), json!(name));
                    container.insert("image".to_owned(), json!("app:latest"));
                    Value::Object(container)
                })
                .collect();
            document.insert("containerDefinitions".to_owned(), Value::Array(containers));
            if !tags.is_empty() {
                let tags = tags
                    .into_iter()
                    .map(|(key, value)| json!({"key": key, "value": value}));
                document.insert("tags".to_owned(), tags.collect());
            }
            document
        })
    }

    fn described(document: &Map<String, Value>, read_only: &Value) -> Value {
        let mut document = document.clone();
        let tags = document.remove("tags").unwrap_or_else(|| json!([]));
        for field in super::read_only() {
            document.insert(field, read_only.clone());
        }
        json!({"taskDefinition": document, "tags": tags})
    }

    fn image() -> ImageRef {
        let digest = "b".repeat(64);
        format!("registry/app@sha256:{digest}")
            .parse()
            .expect("an image")
    }

    proptest! {
        #[test]
        fn p03_a_copy_loses_no_field_that_a_register_accepts(document in document(), read_only in tree()) {
            let answer = described(&document, &read_only);
            let copy = TaskDefinition::from_described(answer).expect("well-formed");
            prop_assert_eq!(copy.register_input(), Value::Object(document));
        }

        #[test]
        fn an_image_is_set_in_one_container_and_nowhere_else(document in document()) {
            let before = TaskDefinition::from_described(Value::Object(document)).expect("well-formed");
            let last = before.containers().last().copied().expect("one").to_owned();
            let after = before.clone().with_image(&last, &image()).expect("it is there");
            let mut undone = after.register_input();
            for container in list_mut(&mut undone, "containerDefinitions") {
                if text(container, "name") == last {
                    container["image"] = json!("app:latest");
                }
            }
            prop_assert_eq!(undone, before.register_input());
            prop_assert!(!before.is_same_as(&after));
            prop_assert!(before.diff(&before).is_empty());
        }
    }

    #[test]
    fn what_aws_fills_in_is_no_difference() {
        let file = TaskDefinition::from_json(
            r#"{"family": "chatbot", "networkMode": "awsvpc", "containerDefinitions": [{
                "name": "app", "image": "i", "portMappings": [{"containerPort": 8000}],
                "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                "healthCheck": {"command": ["CMD", "x"]}}]}"#,
        );
        let described = TaskDefinition::from_json(
            r#"{"taskDefinition": {"family": "chatbot", "revision": 3, "networkMode": "awsvpc", "volumes": [],
                "placementConstraints": [], "containerDefinitions": [{
                "name": "app", "image": "i", "cpu": 0, "essential": true, "mountPoints": [],
                "portMappings": [{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
                "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "healthCheck": {"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3}}]}}"#,
        );
        assert!(file.expect("valid").is_same_as(&described.expect("valid")));
    }

    #[test]
    fn p12_a_diff_shows_that_a_variable_changed_and_not_what_it_holds() {
        let with = |value: &str| {
            let text = format!(
                r#"{{"family": "chatbot", "containerDefinitions": [{{"name": "app", "image": "i",
                    "environment": [{{"name": "TOKEN", "value": "{value}"}}]}}]}}"#
            );
            TaskDefinition::from_json(&text).expect("valid")
        };
        let (before, after) = (with("canary-one"), with("canary-two"));
        let diff = before.diff(&after).join("\n");
        assert!(diff.contains("[masked, changed]"), "{diff}");
        assert!(!diff.contains("canary"), "{diff}");
        assert!(!format!("{before:?}").contains("canary"));
    }

    #[test]
    fn p12_of_a_log_drivers_options_only_places_are_shown() {
        let with = |more: &str| {
            let text = format!(
                r#"{{"family": "chatbot", "containerDefinitions": [{{"name": "app", "image": "i",
                    "logConfiguration": {{"logDriver": "awsfirelens", "options": {{
                    "awslogs-group": "/chat", "HTTP_Passwd": "canary-1", "header": "k canary-2"
                    {more}}}}}}}]}}"#
            );
            TaskDefinition::from_json(&text).expect("valid")
        };
        let diff = with("").diff(&with(r#", "Host": "h""#)).join("\n");
        assert!(!diff.contains("canary"), "{diff}");
        assert!(diff.contains("Host") && diff.contains("/chat"), "{diff}");
    }

    #[test]
    fn a_family_name_alone_or_a_config_map_is_refused_with_a_word() {
        for text in [
            "[]",
            "nonsense",
            "kind: ConfigMap",
            r#"{"taskDefinition": 1}"#,
            r#"{"taskDefinition": {"family": "x"}, "revision": 3}"#,
        ] {
            let error = TaskDefinition::from_json(text).expect_err("no task definition");
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
        for text in ["{}", r#"{"family": "x"}"#] {
            let definition = TaskDefinition::from_json(text).expect("an object");
            let findings = definition.findings();
            let wanted = "containerDefinitions: it is missing (line 1, column 1)";
            assert!(
                findings.iter().any(|one| one.message == wanted),
                "{findings:?}"
            );
            let answer = serde_json::from_str(text).expect("JSON");
            let error = TaskDefinition::from_described(answer).expect_err("no answer");
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn says_where_the_logs_are() {
        let definition = TaskDefinition::from_json(
            r#"{"family": "f", "containerDefinitions": [{"name": "app", "image": "i", "logConfiguration":
                {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/f", "awslogs-stream-prefix": "ecs"}}}]}"#,
        )
        .expect("valid");
        assert_eq!(
            definition.log_place("app", "abc").as_deref(),
            Some("log group /ecs/f, stream ecs/app/abc")
        );
        assert_eq!(definition.log_place("other", "abc"), None);
    }
}
