//! Cursor, whose settings are in a database of its own: set up by hand.
//!
//! Source: cursor.com/help/models-and-usage/api-keys, and what gateways tell of it: Cursor's
//! servers build the prompt and send the request, and refuse addresses of private networks.

use super::{Tool, Way};
use crate::{environment::Environment, setup::Setup};

/// Cursor.
pub const TOOL: Tool = Tool {
    id: "cursor",
    title: "Cursor",
    is_present,
    way: Way::ByHand(steps),
};

fn is_present(environment: &Environment) -> bool {
    environment.has_program("cursor") || environment.has_application("Cursor")
}

fn steps(setup: &Setup) -> Vec<String> {
    let key = match setup.credential.key() {
        Some(_) => "paste the output of `anyray-connect print-key`".to_owned(),
        None => format!("enter {}", setup.credential.as_str()),
    };
    let mut steps = vec![
        "1. Open Cursor Settings > Models and unfold API Keys.".to_owned(),
        format!("2. Turn on OpenAI API Key and {key}."),
        format!(
            "3. Turn on Override OpenAI Base URL and enter {}",
            setup.gateway.openai()
        ),
        "4. Select Add Custom Model, enter the name of a model that the gateway serves, and turn it on.".to_owned(),
        "5. Choose that model in the chat.".to_owned(),
        "Cursor's own servers send the requests, so the gateway must be reachable from the internet; localhost and private networks are refused.".to_owned(),
    ];
    if setup.credential.key().is_none() {
        steps.push("A gateway that asks for no key and is reachable from the internet serves everybody: ask for keys first.".to_owned());
    }
    steps.push("Your own key serves chat models only. Tab stays with Cursor's models, and in some versions Agent does, too.".to_owned());
    steps.push("While the override is on, all OpenAI models of Cursor go to the gateway: turn it off to use Cursor's own again.".to_owned());
    steps
}

#[cfg(test)]
mod tests {
    use anyray_wire::anyray::secret::Secret;

    use super::*;
    use crate::{
        gateway_url::GatewayUrl,
        setup::{Billing, Credential, PLACEHOLDER},
    };

    fn steps_with(credential: Credential) -> String {
        let setup = Setup {
            gateway: GatewayUrl::parse("https://llm.example.com").expect("an address"),
            credential,
            user: None,
            team: None,
            billing: Billing::Organisation,
        };
        steps(&setup).join("\n")
    }

    #[test]
    fn the_steps_name_the_address_with_its_version() {
        let text = steps_with(Credential::Placeholder);
        assert!(
            text.contains("enter https://llm.example.com/v1\n"),
            "{text}"
        );
    }

    #[test]
    fn the_steps_name_where_the_key_is_and_not_the_key() {
        let text = steps_with(Credential::Key(Secret("ark_secret".to_owned())));
        assert!(!text.contains("ark_"), "{text}");
        assert!(text.contains("print-key"), "{text}");
    }

    #[test]
    fn the_placeholder_is_shown_with_a_warning() {
        let text = steps_with(Credential::Placeholder);
        assert!(text.contains(&format!("enter {PLACEHOLDER}.")), "{text}");
        assert!(text.contains("serves everybody"), "{text}");
    }
}
