//! AWS's own models: the fields, types and values of the requests that files describe.
//!
//! `table.json` is derived from AWS's own service models by `tests/model/derive.py`, which CI runs
//! again. It has the spelling and type of each field; AWS's further checks stand with each kind of
//! file.

mod spelling;
mod table;
mod walk;

#[cfg(test)]
pub(in crate::aws) use self::table::{Model, Shape};
pub(in crate::aws) use self::{
    table::{Input, fields_of_input, fields_of_output, is_updatable},
    walk::{Kind, Problem, problems},
};
