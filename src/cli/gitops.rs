//! Who else keeps an object as Git has it: then a change belongs into Git, and one made beside it is undone.

use kube::api::ObjectMeta;

/// Annotations that only Argo CD sets.
const ARGO_ANNOTATIONS: [&str; 2] = ["argocd.argoproj.io/tracking-id", "argocd.argoproj.io/installation-id"];
/// Its label, where it tracks by label under its own name.
const ARGO_LABEL: &str = "argocd.argoproj.io/instance";
/// Labels of Flux's two controllers.
const FLUX_LABELS: [&str; 2] = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];

/// Argo CD or Flux and the sign by which it is known; `None` when there is none.
pub(super) fn managed_by(metadata: &ObjectMeta) -> Option<String> {
    let annotated = |key: &str| metadata.annotations.as_ref().is_some_and(|all| all.contains_key(key));
    let labelled = |key: &str| metadata.labels.as_ref().is_some_and(|all| all.contains_key(key));
    let sign = |who: &str, what: &str, key: &str| Some(format!("{who} ({what} `{key}`)"));
    if let Some(key) = ARGO_ANNOTATIONS.into_iter().find(|key| annotated(key)) {
        return sign("Argo CD", "annotation", key);
    }
    if labelled(ARGO_LABEL) {
        return sign("Argo CD", "label", ARGO_LABEL);
    }
    if let Some(key) = FLUX_LABELS.into_iter().find(|key| labelled(key)) {
        return sign("Flux", "label", key);
    }
    let managers = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_deref());
    managers.into_iter().find_map(|manager| match manager {
        "kustomize-controller" | "helm-controller" => sign("Flux", "field manager", manager),
        _ if manager.starts_with("argocd") => sign("Argo CD", "field manager", manager),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn argo_and_flux_are_known_by_any_of_their_signs_and_nobody_else_is() {
        let by = |metadata: serde_json::Value| managed_by(&serde_json::from_value(metadata).unwrap());
        let rows = [
            (json!({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}), Some("Argo CD (annotation")),
            (json!({"labels": {"argocd.argoproj.io/instance": "x"}}), Some("Argo CD (label")),
            (json!({"managedFields": [{"manager": "argocd-controller"}]}), Some("Argo CD (field manager")),
            (json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}), Some("Flux (label")),
            (json!({"labels": {"helm.toolkit.fluxcd.io/name": "x"}}), Some("Flux (label")),
            (
                json!({"managedFields": [{"manager": "kubectl"}, {"manager": "kustomize-controller"}]}),
                Some("Flux (field"),
            ),
            (
                json!({"labels": {"app.kubernetes.io/instance": "x"}, "managedFields": [{"manager": "helm"}]}),
                None,
            ),
            (json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}), None),
        ];
        for (metadata, expected) in rows {
            let found = by(metadata.clone());
            match expected {
                Some(start) => assert!(found.is_some_and(|found| found.starts_with(start)), "{metadata}"),
                None => assert_eq!(found, None, "{metadata}"),
            }
        }
    }
}
