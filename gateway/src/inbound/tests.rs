//! Which requests are served, as what, and which are refused.

use http::Request;

use super::*;

fn read_with(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Inbound, GatewayError> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).expect("request").into_parts();
    read(&parts, &["/v1/files/*".to_owned(), "/v1/files".to_owned()])
}

fn operation(method: &str, uri: &str) -> Result<Operation, GatewayError> {
    read_with(method, uri, &[]).map(|inbound| inbound.operation)
}

#[test]
fn plain_paths_are_served_with_and_without_version() {
    for (method, path, operation) in [
        ("POST", "/chat/completions", Operation::ChatCompletions),
        ("POST", "/completions", Operation::Completions),
        ("POST", "/embeddings", Operation::Embeddings),
        ("POST", "/messages", Operation::Messages),
        ("POST", "/messages/count_tokens", Operation::CountTokens),
        ("POST", "/responses", Operation::Responses),
        ("DELETE", "/responses/some%2Fid", Operation::StoredResponses),
        ("GET", "/models", Operation::Models),
        ("GET", "/models/some%2Fid", Operation::Models),
    ] {
        for prefix in ["", "/v1"] {
            let uri = format!("{prefix}{path}?beta=true");
            let inbound = read_with(method, &uri, &[]).expect(&uri);
            assert_eq!(
                (inbound.operation, inbound.path.as_str(), inbound.native),
                (operation, path, None)
            );
        }
    }
}

#[test]
fn a_providers_own_path_goes_to_that_provider_as_it_came() {
    for (uri, slug, model) in [
        ("/model/a.b-v1%3A0/converse", "bedrock", Some("a.b-v1:0")),
        ("/anthropic/v1/messages", "bedrock", None),
        (
            "/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
            "google-vertex-ai",
            Some("g"),
        ),
        (
            "/openai/deployments/prod/chat/completions?api-version=1",
            "azure-openai",
            Some("prod"),
        ),
        ("/openai/v1/responses", "azure-openai", None),
    ] {
        let inbound = read_with("POST", uri, &[]).expect(uri);
        let path = uri.split('?').next().unwrap_or_default();
        assert_eq!(inbound.native.map(Provider::slug), Some(slug), "{uri}");
        assert_eq!(inbound.path_model.as_deref(), model, "{uri}");
        assert_eq!(inbound.path, path);
    }
}

#[test]
fn anthropic_version_decides_where_two_apis_share_a_path() {
    let anthropic = [("anthropic-version", "2023-06-01")];
    for uri in ["/v1/models", "/v1/models/x", "/v1/files"] {
        let with = read_with("GET", uri, &anthropic).map(|inbound| inbound.dialect);
        let without = read_with("GET", uri, &[]).map(|inbound| inbound.dialect);
        assert_eq!(
            (with, without),
            (Ok(Dialect::AnthropicMessages), Ok(Dialect::OpenAiChat))
        );
    }
    let chat = read_with("POST", "/chat/completions", &anthropic).map(|inbound| inbound.dialect);
    assert_eq!(chat, Ok(Dialect::OpenAiChat));
}

#[test]
fn only_listed_paths_pass_through() {
    assert_eq!(
        operation("DELETE", "/v1/files/file-1"),
        Ok(Operation::Passthrough)
    );
    assert_eq!(operation("POST", "/v1/files"), Ok(Operation::Passthrough));
    for uri in [
        "/files",
        "/v1/batches",
        "/v1/organization/users",
        "/admin",
        "/v1",
        "/v1/",
        "/x",
        "/v11/models",
    ] {
        assert!(
            matches!(
                operation("GET", uri),
                Err(GatewayError::UnknownPath | GatewayError::UnsafePath)
            ),
            "{uri}"
        );
    }
}

#[test]
fn only_methods_of_an_api_pass_through() {
    for method in ["CONNECT", "TRACE", "PURGE"] {
        let allow = Methods::ANY.allow;
        assert_eq!(
            operation(method, "/v1/files"),
            Err(GatewayError::MethodNotAllowed { allow })
        );
    }
}

#[test]
fn other_methods_are_told_what_the_path_takes() {
    let allow = |allow| Err(GatewayError::MethodNotAllowed { allow });
    assert_eq!(operation("GET", "/v1/chat/completions"), allow("POST"));
    assert_eq!(operation("POST", "/models"), allow("GET"));
    assert_eq!(operation("PUT", "/responses/r"), allow("GET, POST, DELETE"));
}

#[test]
fn a_websocket_attempt_is_named_as_such_on_any_path() {
    let upgrade = [("upgrade", "WebSocket"), ("connection", "upgrade")];
    for uri in ["/v1/responses", "/responses", "/v1/realtime"] {
        assert_eq!(
            read_with("GET", uri, &upgrade),
            Err(GatewayError::WebSocket)
        );
    }
}

#[test]
fn paths_that_a_provider_could_read_otherwise_are_refused() {
    for uri in [
        "/v1/files/../organization/users",
        "/v1/files/%2e%2e/organization",
        "/v1/files/.%2E/organization",
        "/v1/files/%2e%2e%2Forganization",
        "/v1/files/a%5c..%5cb",
        "/v1/files//a",
        "/v1/files/./a",
        "/v1/responses/..",
        "/v1/files/",
        "/v1/files/..;/organization",
        "/v1/files/%252e%252e%252forganization",
        "/v1/files/a%00",
        "/v1/files/a%0d%0ab",
        "/v1/models/%2F",
        "/v1/models/x%2F%2Ffiles",
    ] {
        assert_eq!(
            operation("GET", uri),
            Err(GatewayError::UnsafePath),
            "{uri}"
        );
    }
    assert_eq!(
        operation("GET", "/v1/models/a%2Fb..c"),
        Ok(Operation::Models)
    );
}
