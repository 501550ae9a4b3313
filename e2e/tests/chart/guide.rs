//! The commands of the installation guide, as far as they need no cluster.

use std::{env, process::Command};

use serde_json::{Value, json};

use super::{KUBERNETES, ROOT, find, helm, read};

#[test]
fn the_helm_commands_of_the_guide_render() {
    let guide = read("docs/guides/install.md").replace("\\\n", " ");
    let is_helm =
        |line: &&str| line.starts_with("helm install ") || line.starts_with("helm upgrade ");
    let commands: Vec<_> = guide.lines().filter(is_helm).collect();
    assert!(commands.len() > 4, "{commands:#?}");
    for command in commands {
        let script = format!(
            "helm() {{ shift; command helm template --kube-version {KUBERNETES} \"$@\" >/dev/null; }}\n{command}"
        );
        let path = format!(
            "{}:{}",
            helm().parent().expect("a folder").display(),
            env::var("PATH").expect("PATH")
        );
        let run = Command::new("bash")
            .args(["-c", &script])
            .envs([
                ("IMAGE_REGISTRY", "registry.example.com/llm"),
                ("IMAGE_TAG", "abc1234"),
            ])
            .env("PATH", path)
            .current_dir(ROOT)
            .output()
            .expect("run bash");
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{command}: {errors}");
    }
}

#[test]
fn the_guide_can_replace_the_images_of_the_plain_manifests() {
    let guide = read("docs/guides/install.md");
    let replace =
        "sed \"s|anyray-[a-z]*:dev|$IMAGE_REGISTRY/&|; s|:dev$|:$IMAGE_TAG|\" deploy/install.yaml";
    assert!(guide.contains(replace));
    let run = Command::new("bash")
        .args(["-c", replace])
        .envs([
            ("IMAGE_REGISTRY", "registry.example.com/llm"),
            ("IMAGE_TAG", "abc1234"),
        ])
        .current_dir(ROOT)
        .output()
        .expect("run bash");
    let replaced = String::from_utf8(run.stdout).expect("text");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&replaced).expect("YAML");
    let deployment = find(&objects, "Deployment", "anyray-operator");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["image"],
        "registry.example.com/llm/anyray-operator:abc1234"
    );
    let gateway = "registry.example.com/llm/anyray-gateway:abc1234";
    let env = container["env"].as_array().expect("a list");
    assert!(env.contains(&json!({ "name": "ANYRAY_GATEWAY_IMAGE", "value": gateway })));
    assert!(!replaced.contains(":dev\n"));
}
