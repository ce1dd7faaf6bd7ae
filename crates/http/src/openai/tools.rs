//! Functions that a chat may call, and the choice between them.

use cupola_budget::Budget;
use cupola_runtime::{FunctionSchema, Grammar};
use serde_json::{Value, json};

use super::fields::Fields;
use super::tool_calls::CallFormat;
use crate::error::ApiError;

/// Tools of a request.
const MAX_TOOLS: usize = 128;
/// Longest name of a function.
const MAX_NAME: usize = 64;

/// Tools of a request with the choice of the client.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// Declarations for the chat template.
    declared: Vec<Value>,
    functions: Vec<FunctionSchema>,
    choice: ToolChoice,
}

/// Choice of the client.
#[derive(Debug, Default, PartialEq)]
enum ToolChoice {
    /// The model may not call a function.
    #[default]
    Never,
    /// The model may call these functions, given by index.
    Auto(Vec<usize>),
    /// The model has to call one of these functions.
    Required(Vec<usize>),
}

impl Tools {
    /// Takes `tools` and `tool_choice`.
    pub fn take(fields: &mut Fields, budget: &Budget) -> Result<Self, ApiError> {
        fields.refuse("functions", "declare them as `tools`")?;
        let legacy: Option<Value> = fields.take("function_call")?;
        if legacy.is_some_and(|choice| !matches!(choice.as_str(), Some("none" | "auto"))) {
            let message = "`function_call` is not supported; send `tools` and `tool_choice`";
            return Err(ApiError::invalid_value(message, "function_call"));
        }
        let declared: Vec<Value> = fields.take("tools")?.unwrap_or_default();
        if declared.len() > MAX_TOOLS {
            return Err(fields.invalid("tools", &format!("at most {MAX_TOOLS} are supported")));
        }
        let each = declared.iter().enumerate();
        let functions = each.map(|(index, tool)| function(tool.clone(), format!("tools[{index}]")));
        let functions: Vec<FunctionSchema> = functions.collect::<Result<_, _>>()?;
        let choice = choice(fields.take("tool_choice")?, &functions)?;
        let tools = Self { declared, functions, choice };
        tools.check_schemas(budget)?;
        Ok(tools)
    }

    /// Declarations that the chat template gets; none if no tool may be called.
    pub fn declared(&self) -> &[Value] {
        if self.choice == ToolChoice::Never { &[] } else { &self.declared }
    }

    /// Grammar of a call; `None` unless the model has to call a function.
    pub fn grammar(&self) -> Option<Grammar> {
        let ToolChoice::Required(candidates) = &self.choice else { return None };
        Some(match candidates.as_slice() {
            [only] => Grammar::JsonSchema(self.functions[*only].parameters.clone()),
            several => {
                Grammar::FunctionCall(several.iter().map(|index| self.functions[*index].clone()).collect())
            }
        })
    }

    /// Format of calls in the generated text.
    pub fn format(&self) -> CallFormat {
        let name = |index: &usize| self.functions[*index].name.clone();
        match &self.choice {
            ToolChoice::Never => CallFormat::Absent,
            ToolChoice::Auto(candidates) => CallFormat::Tagged(candidates.iter().map(name).collect()),
            ToolChoice::Required(candidates) => match candidates.as_slice() {
                [only] => CallFormat::Arguments(name(only)),
                several => CallFormat::Named(several.iter().map(name).collect()),
            },
        }
    }

    /// Field that an error of the grammar is about; `None` if the grammar is not one of tools.
    pub fn schema_field(&self) -> Option<String> {
        match &self.choice {
            ToolChoice::Required(candidates) => Some(match candidates.as_slice() {
                [only] => format!("tools[{only}].function.parameters"),
                _ => "tools".to_owned(),
            }),
            _ => None,
        }
    }

    fn check_schemas(&self, budget: &Budget) -> Result<(), ApiError> {
        let all = self.functions.iter().map(|function| &function.parameters);
        Grammar::check_sizes(all).map_err(|error| invalid_schema(&error, "tools"))?;
        let required: &[usize] =
            if let ToolChoice::Required(candidates) = &self.choice { candidates } else { &[] };
        for (index, function) in self.functions.iter().enumerate() {
            budget.check()?;
            if let Err(error) = Grammar::check_schema(&function.parameters, required.contains(&index)) {
                return Err(invalid_schema(&error, &format!("tools[{index}].function.parameters")));
            }
        }
        Ok(())
    }
}

/// Error about a schema of a function.
pub(super) fn invalid_schema(error: &cupola_runtime::Error, path: &str) -> ApiError {
    let why = match error {
        cupola_runtime::Error::Grammar { why } => why.clone(),
        error => error.to_string(),
    };
    ApiError::invalid_value(format!("invalid `{path}`: {why}; send another JSON Schema"), path)
}

fn function(tool: Value, path: String) -> Result<FunctionSchema, ApiError> {
    let mut tool = Fields::nested(tool, path)?;
    if tool.require::<String>("type")? != "function" {
        return Err(tool.invalid("type", &"only tools of type `function` are supported"));
    }
    let function: Value = tool.require("function")?;
    let mut function = Fields::nested(function, tool.path("function"))?;
    let name: String = function.require("name")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
        let why = format!("expected 1 to {MAX_NAME} letters, digits, `_`, `-` or `.`");
        return Err(function.invalid("name", &why));
    }
    let parameters = match function.take::<Value>("parameters")? {
        None => json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        Some(Value::Object(mut schema)) => {
            let open =
                ["type", "$ref", "anyOf", "oneOf", "allOf"].iter().all(|key| !schema.contains_key(*key));
            if open {
                schema.insert("type".to_owned(), "object".into());
            }
            if schema.get("type").is_some_and(|kind| kind != "object") {
                return Err(function.invalid("parameters", &"the schema must be of type `object`"));
            }
            Value::Object(schema)
        }
        Some(_) => return Err(function.invalid("parameters", &"expected a JSON Schema, which is an object")),
    };
    Ok(FunctionSchema { name, parameters })
}

fn choice(choice: Option<Value>, functions: &[FunctionSchema]) -> Result<ToolChoice, ApiError> {
    let all = || (0..functions.len()).collect::<Vec<usize>>();
    let default = if functions.is_empty() { "none" } else { "auto" };
    let choice = choice.unwrap_or_else(|| default.into());
    let invalid = |why: &str| ApiError::invalid_value(format!("invalid `tool_choice`: {why}"), "tool_choice");
    let named = |name: &Value| {
        let index = functions.iter().position(|function| *name == function.name.as_str());
        index.ok_or_else(|| invalid("`tools` has no function of this name"))
    };
    match choice.as_str() {
        Some("none") => return Ok(ToolChoice::Never),
        Some("auto") if functions.is_empty() => return Ok(ToolChoice::Never),
        Some("auto") => return Ok(ToolChoice::Auto(all())),
        Some("required") if functions.is_empty() => return Err(invalid("`required` needs `tools`")),
        Some("required") => return Ok(ToolChoice::Required(all())),
        _ => {}
    }
    match choice["type"].as_str() {
        Some("function") => Ok(ToolChoice::Required(vec![named(&choice["function"]["name"])?])),
        Some("allowed_tools") => {
            let allowed = &choice["allowed_tools"];
            let tools = allowed["tools"].as_array().filter(|tools| !tools.is_empty());
            let tools = tools.ok_or_else(|| invalid("`allowed_tools.tools` must be a list of tools"))?;
            let tools =
                tools.iter().map(|tool| named(&tool["function"]["name"])).collect::<Result<_, _>>()?;
            match allowed["mode"].as_str() {
                Some("auto") => Ok(ToolChoice::Auto(tools)),
                Some("required") => Ok(ToolChoice::Required(tools)),
                _ => Err(invalid("`allowed_tools.mode` must be `auto` or `required`")),
            }
        }
        _ => Err(invalid("expected `none`, `auto`, `required`, a function or allowed tools")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(body: &Value) -> Result<Tools, String> {
        let mut fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        Tools::take(&mut fields, &Budget::unlimited()).map_err(|error| error.field.unwrap())
    }

    fn tool(name: &str, parameters: &Value) -> Value {
        json!({ "type": "function", "function": { "name": name, "parameters": parameters, "strict": null } })
    }

    #[test]
    fn the_choice_decides_on_grammar_and_format() {
        let schema = json!({ "type": "object", "properties": { "a": { "default": null } } });
        let tools = json!([tool("f", &schema), tool("g", &Value::Null)]);
        let chosen = |choice: Value| taken(&json!({ "tools": tools, "tool_choice": choice })).unwrap();
        let auto = chosen(Value::Null);
        assert!(auto.grammar().is_none() && auto.declared().len() == 2);
        assert_eq!(auto.format(), CallFormat::Tagged(vec!["f".to_owned(), "g".to_owned()]));
        let none = chosen(json!("none"));
        assert!(
            none.grammar().is_none() && none.declared().is_empty() && none.format() == CallFormat::Absent
        );
        let required = chosen(json!("required"));
        assert!(matches!(required.grammar(), Some(Grammar::FunctionCall(all)) if all.len() == 2));
        let named = chosen(json!({ "type": "function", "function": { "name": "f" } }));
        assert_eq!(named.grammar(), Some(Grammar::JsonSchema(schema)));
        assert_eq!(named.format(), CallFormat::Arguments("f".to_owned()));
        let allowed =
            json!({ "mode": "required", "tools": [{ "type": "function", "function": { "name": "g" } }] });
        let allowed = chosen(json!({ "type": "allowed_tools", "allowed_tools": allowed }));
        assert_eq!(allowed.format(), CallFormat::Arguments("g".to_owned()));
        for body in [json!({}), json!({ "tools": [], "tool_choice": "auto", "functions": [] })] {
            assert_eq!(taken(&body).unwrap().format(), CallFormat::Absent);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let good = tool("f", &json!({}));
        for (body, field) in [
            (json!({ "functions": [{ "name": "f" }] }), "functions"),
            (json!({ "function_call": { "name": "f" } }), "function_call"),
            (json!({ "tools": 3 }), "tools"),
            (json!({ "tools": vec![&good; 129] }), "tools"),
            (json!({ "tools": [3] }), "tools[0]"),
            (json!({ "tools": [{ "type": "custom", "custom": { "name": "f" } }] }), "tools[0].type"),
            (json!({ "tools": [{ "type": "function" }] }), "tools[0].function"),
            (json!({ "tools": [tool("a b", &json!({}))] }), "tools[0].function.name"),
            (json!({ "tools": [good, tool("f", &json!(3))] }), "tools[1].function.parameters"),
            (json!({ "tools": [tool("f", &json!({ "type": "string" }))] }), "tools[0].function.parameters"),
            (
                json!({ "tools": [tool("f", &json!({ "properties": { "a": { "type": "slag" } } }))] }),
                "tools[0].function.parameters",
            ),
            (json!({ "tool_choice": "required" }), "tool_choice"),
            (json!({ "tools": [good], "tool_choice": "perhaps" }), "tool_choice"),
            (
                json!({ "tools": [good], "tool_choice": { "type": "function", "function": { "name": "g" } } }),
                "tool_choice",
            ),
        ] {
            assert_eq!(taken(&body).map(|_| ()).unwrap_err(), field, "{body}");
        }
        // Keywords that a grammar can't follow are no hindrance to a call that nothing constrains.
        let not = tool("f", &json!({ "properties": { "a": { "not": { "type": "string" } } } }));
        assert!(taken(&json!({ "tools": [not] })).is_ok());
        assert!(taken(&json!({ "tools": [not], "tool_choice": "required" })).is_err());
    }
}
