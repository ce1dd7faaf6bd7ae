//! Options that a model has for requests that leave them out.

use cupola_prep::GenerationDefaults;

use super::GenerationParams;

impl GenerationParams {
    /// Puts a model's defaults in place of omitted options, and adds what always holds for the model.
    pub(in crate::generation) fn apply_defaults(&mut self, defaults: &GenerationDefaults) {
        let GenerationDefaults {
            temperature,
            top_p,
            top_k,
            repetition_penalty,
            max_tokens,
            suppressed,
            stop,
        } = defaults;
        let omitted = self.omitted;
        let sampling = &mut self.sampling;
        set(&mut self.max_tokens, *max_tokens, omitted.max_tokens);
        set(&mut sampling.temperature, *temperature, omitted.temperature);
        set(&mut sampling.top_p, *top_p, omitted.top_p);
        set(&mut sampling.top_k, *top_k, omitted.top_k);
        self.logits.repetition = self.logits.repetition.or(*repetition_penalty);
        self.logits.suppressed.extend(suppressed);
        self.stop.extend(stop.iter().cloned());
    }
}

/// Replaces an omitted value by the default, if there is one.
fn set<T>(value: &mut T, default: Option<T>, omitted: bool) {
    if let Some(default) = default.filter(|_| omitted) {
        *value = default;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::OmittedOptions;

    #[test]
    fn only_omitted_options_have_the_defaults_of_the_model() {
        let defaults = GenerationDefaults {
            temperature: Some(0.0),
            top_k: Some(5),
            repetition_penalty: Some(1.5),
            max_tokens: Some(7),
            suppressed: vec![3],
            stop: vec!["end".to_owned()],
            ..GenerationDefaults::default()
        };
        let omitted = OmittedOptions { max_tokens: false, temperature: true, top_p: true, top_k: true };
        let mut params = GenerationParams { max_tokens: 9, omitted, ..GenerationParams::default() };
        params.apply_defaults(&defaults);
        assert_eq!(params.max_tokens, 9);
        let sampling = params.sampling;
        assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k), (0.0, 1.0, 5));
        assert_eq!((params.logits.repetition, params.logits.suppressed), (Some(1.5), vec![3]));
        assert_eq!(params.stop, ["end"]);
    }
}
