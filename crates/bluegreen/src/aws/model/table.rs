//! The table of AWS's models.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// A request that a file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::aws) enum Input {
    TaskDefinition,
    Service,
    TargetGroup,
    Rule,
}

impl Input {
    pub(in crate::aws) const ALL: [Self; 4] = [
        Self::TaskDefinition,
        Self::Service,
        Self::TargetGroup,
        Self::Rule,
    ];

    /// The operation as AWS spells it.
    pub(in crate::aws) fn operation(self) -> &'static str {
        match self {
            Self::TaskDefinition => "RegisterTaskDefinition",
            Self::Service => "CreateService",
            Self::TargetGroup => "CreateTargetGroup",
            Self::Rule => "CreateRule",
        }
    }

    /// The name of such a file in messages.
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::TaskDefinition => "the task definition",
            Self::Service => "the ECS service",
            Self::TargetGroup => "the target group",
            Self::Rule => "the listener rule",
        }
    }

    /// Whether AWS requires the field, but the caller that sends the file adds it.
    pub(super) fn is_given(self, field: &str) -> bool {
        self == Self::Rule && field == "ListenerArn"
    }

    /// Whether the request's body goes out as the file has it. The requests of Elastic Load
    /// Balancing are made by the SDK, which leaves out fields that it does not know.
    pub(in crate::aws) fn is_sent_as_it_is(self) -> bool {
        matches!(self, Self::TaskDefinition | Self::Service)
    }

    pub(in crate::aws) fn model(self) -> &'static Model {
        match self {
            Self::TaskDefinition | Self::Service => &TABLE.services.ecs,
            Self::TargetGroup | Self::Rule => &TABLE.services.elbv2,
        }
    }

    /// The name of the request's own shape.
    pub(in crate::aws) fn shape(self) -> &'static str {
        let found = self.model().inputs.get(self.operation());
        found.map_or("", String::as_str)
    }
}

/// The models as one file.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    /// The day of the models' release.
    pub(super) date: String,
    services: Services,
}

#[derive(Debug, Deserialize)]
struct Services {
    ecs: Model,
    elbv2: Model,
}

/// One service's requests.
#[derive(Debug, Deserialize)]
pub(in crate::aws) struct Model {
    /// Fields that the SDK in use lacks, as `Shape.field`.
    pub(super) unsent: Vec<String>,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, Vec<String>>,
    pub(in crate::aws) shapes: BTreeMap<String, Shape>,
}

/// The values that may stand at a place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(in crate::aws) enum Shape {
    Structure {
        fields: BTreeMap<String, String>,
        #[serde(default)]
        required: Vec<String>,
        /// Exactly one of the fields may stand there.
        #[serde(default)]
        union: bool,
        #[serde(default)]
        deprecated: Vec<String>,
    },
    List {
        of: String,
        #[serde(flatten)]
        bounds: Bounds,
    },
    Map {
        of: String,
    },
    /// A text that is one of these.
    Choice {
        values: Vec<String>,
    },
    /// Any text; the bounds are of its length.
    Text(Bounds),
    /// A whole number.
    Whole(Bounds),
    Number(Bounds),
    Bool {},
    /// Any value.
    Any {},
}

/// The least and the largest, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(in crate::aws) struct Bounds {
    pub(in crate::aws) min: Option<i64>,
    pub(in crate::aws) max: Option<i64>,
}

impl Model {
    /// A shape by its name, or by its kind if that says all.
    pub(in crate::aws) fn shape(&self, name: &str) -> Shape {
        match name {
            "text" => Shape::Text(Bounds::default()),
            // As large as the wire's own type.
            "whole" => Shape::Whole(Bounds {
                min: Some(i32::MIN.into()),
                max: Some(i32::MAX.into()),
            }),
            "long" => Shape::Whole(Bounds::default()),
            "number" => Shape::Number(Bounds::default()),
            "bool" => Shape::Bool {},
            named => self.shapes.get(named).cloned().unwrap_or(Shape::Any {}),
        }
    }

    /// The fields of a structure.
    pub(super) fn fields(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let fields = match self.shapes.get(name) {
            Some(Shape::Structure { fields, .. }) => Some(fields),
            _ => None,
        };
        let pairs = fields.into_iter().flatten();
        pairs.map(|(name, shape)| (name.as_str(), shape.as_str()))
    }
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let read = serde_json::from_str(include_str!("table.json"));
    read.expect("the table is checked in, and a test reads it")
});

/// The fields of a request.
pub(in crate::aws) fn fields_of_input(input: Input) -> impl Iterator<Item = &'static str> {
    input.model().fields(input.shape()).map(|(name, _)| name)
}

/// The fields of an answer, such as `Service`.
pub(in crate::aws) fn fields_of_output(name: &str) -> &'static [String] {
    let found = TABLE.services.ecs.outputs.get(name);
    found.map_or(&[], Vec::as_slice)
}

/// Whether UpdateService takes a field of CreateService.
pub(in crate::aws) fn is_updatable(field: &str) -> bool {
    let model = &TABLE.services.ecs;
    let shape = model.inputs.get("UpdateService");
    let mut fields = shape.into_iter().flat_map(|shape| model.fields(shape));
    fields.any(|(name, _)| name == field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_table_leads_somewhere() {
        for input in Input::ALL {
            let model = input.model();
            assert!(model.shapes.contains_key(input.shape()), "{input:?}");
            for shape in model.shapes.values() {
                let named: Vec<&String> = match shape {
                    Shape::Structure {
                        fields, required, ..
                    } => {
                        assert!(required.iter().all(|one| fields.contains_key(one)));
                        fields.values().collect()
                    }
                    Shape::List { of, .. } | Shape::Map { of } => vec![of],
                    _ => Vec::new(),
                };
                for name in named {
                    let is_any = model.shape(name) == Shape::Any {};
                    assert_eq!(is_any, name == "any", "{name}");
                }
            }
        }
        assert!(TABLE.date.starts_with("20"), "{}", TABLE.date);
        assert!(is_updatable("desiredCount") && !is_updatable("launchType"));
        assert!(
            fields_of_output("Service")
                .iter()
                .any(|one| one == "status")
        );
    }
}
