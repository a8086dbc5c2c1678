package check

import (
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func TestEveryPodPassesTheRestrictedPodSecurityStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	each(t, func(t *testing.T, r *release) {
		require.NotEmpty(t, r.pods())
		for name, pod := range r.pods() {
			verdict := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			require.True(t, verdict.Allowed, "%s: %s", name, verdict.ForbiddenDetail())

			broken := pod.Spec.DeepCopy()
			broken.Containers[0].SecurityContext.Capabilities = nil
			require.False(t, policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, broken)).Allowed, "the check finds nothing")
		}
	})
}

func TestPodsWriteNowhereAndHaveNoKeyToTheCluster(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		for name, pod := range r.pods() {
			require.False(t, *pod.Spec.AutomountServiceAccountToken, name)
			require.False(t, *pod.Spec.EnableServiceLinks, name)
			require.Equal(t, int64(65532), *pod.Spec.SecurityContext.RunAsUser, name)
			for _, c := range pod.Spec.Containers {
				require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
				require.Contains(t, c.Resources.Limits, corev1.ResourceMemory, name)
			}
			for _, v := range pod.Spec.Volumes {
				if v.Secret != nil {
					require.Equal(t, "shop-keys", v.Secret.SecretName, name)
				}
			}
		}
		for _, a := range all[*corev1.ServiceAccount](r) {
			require.False(t, *a.AutomountServiceAccountToken)
		}
	})
}

// somebody is one end of a connection.
type somebody struct{ namespace, pod map[string]string }

var (
	named = func(namespace string) map[string]string {
		return map[string]string{"kubernetes.io/metadata.name": namespace}
	}
	ingressController = somebody{named("ingress-nginx"), map[string]string{"app": "nginx"}}
	prometheus        = somebody{named("monitoring"), map[string]string{"app": "prometheus"}}
	dns               = somebody{named("kube-system"), map[string]string{"k8s-app": "kube-dns"}}
	neighbour         = somebody{named("tea"), map[string]string{"app": "other"}} // in the namespace of the release
	postgres          = somebody{named("postgres"), map[string]string{"app": "postgres"}}
)

// mayReach reports whether the policies let a pod of the release be reached at a port of its container.
func (r *release) mayReach(t *testing.T, from somebody, to corev1.PodTemplateSpec, at int32) bool {
	t.Helper()
	isolated := false
	for _, p := range all[*networkingv1.NetworkPolicy](r) {
		if !selects(t, &p.Spec.PodSelector, to.Labels) || !hasType(p, networkingv1.PolicyTypeIngress) {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Ingress {
			if anyPeer(t, rule.From, from) && anyPort(rule.Ports, to.Spec.Containers[0], at) {
				return true
			}
		}
	}
	return !isolated
}

// mayCall reports whether the policies let a pod of the release call somebody at a port.
func (r *release) mayCall(t *testing.T, from corev1.PodTemplateSpec, to somebody, at int32) bool {
	t.Helper()
	isolated := false
	for _, p := range all[*networkingv1.NetworkPolicy](r) {
		if !selects(t, &p.Spec.PodSelector, from.Labels) || !hasType(p, networkingv1.PolicyTypeEgress) {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Egress {
			if anyPeer(t, rule.To, to) && anyPort(rule.Ports, corev1.Container{}, at) {
				return true
			}
		}
	}
	return !isolated
}

func hasType(p *networkingv1.NetworkPolicy, want networkingv1.PolicyType) bool {
	for _, has := range p.Spec.PolicyTypes {
		if has == want {
			return true
		}
	}
	return false
}

// anyPeer follows the rule that no peers are everybody, and that a peer without a namespaceSelector is in the policy's own namespace.
func anyPeer(t *testing.T, peers []networkingv1.NetworkPolicyPeer, who somebody) bool {
	t.Helper()
	for _, p := range peers {
		there := who.namespace["kubernetes.io/metadata.name"] == "tea"
		if p.NamespaceSelector != nil {
			there = selects(t, p.NamespaceSelector, who.namespace)
		}
		if there && p.IPBlock == nil && (p.PodSelector == nil || selects(t, p.PodSelector, who.pod)) {
			return true
		}
	}
	return len(peers) == 0
}

func anyPort(ports []networkingv1.NetworkPolicyPort, c corev1.Container, at int32) bool {
	for _, p := range ports {
		if p.Port == nil || p.Port.Type == intstr.Int && p.Port.IntVal == at {
			return true
		}
		for _, has := range c.Ports {
			if has.Name == p.Port.StrVal && has.ContainerPort == at {
				return true
			}
		}
	}
	return len(ports) == 0
}

func TestOnlyTheEntryIsReachedFromOutsideAndProcessesReachEachOther(t *testing.T) {
	entries := map[string]string{"shop-monolith": "monolith", "shop-rest": "payments-out", "shop-catalog": "all-out"}
	for entry, topology := range entries {
		r := installed(t, "shop", ciValues(t, topology))
		deployments := all[*appsv1.Deployment](r)
		migrations := somebody{named("tea"), r.pods()["shop-migrate"].Labels}
		for name, d := range deployments {
			pod := d.Spec.Template
			require.Equal(t, name == entry, r.mayReach(t, ingressController, pod, 8080), name)
			require.False(t, r.mayReach(t, ingressController, pod, 8081), "the admin port of %s", name)
			require.True(t, r.mayReach(t, prometheus, pod, 8081), name)
			require.False(t, r.mayReach(t, prometheus, pod, 8080), name)
			for _, stranger := range []somebody{neighbour, migrations} {
				require.False(t, r.mayReach(t, stranger, pod, 8080), name)
				require.False(t, r.mayReach(t, stranger, pod, 8081), name)
			}
			for other, o := range deployments {
				if other == name {
					continue
				}
				who := somebody{named("tea"), o.Spec.Template.Labels}
				require.True(t, r.mayReach(t, who, pod, 8080), "%s asks %s", other, name)
				require.False(t, r.mayReach(t, who, pod, 8081), "%s asks %s", other, name)
				require.True(t, r.mayCall(t, o.Spec.Template, somebody{named("tea"), pod.Labels}, 8080), "%s asks %s", other, name)
			}
		}
		require.False(t, r.mayReach(t, neighbour, r.pods()["shop-migrate"], 8080))
	}
}

func TestPodsReachWhatTheyStandOnAndNothingElse(t *testing.T) {
	for topology, broker := range map[string]bool{"monolith": false, "payments-out": true, "all-out": true} {
		r := installed(t, "shop", ciValues(t, topology))
		for name, pod := range r.pods() {
			process := name != "shop-migrate"
			require.True(t, r.mayCall(t, pod, dns, 53), name)
			require.True(t, r.mayCall(t, pod, postgres, 5432), name)
			require.Equal(t, process && broker, r.mayCall(t, pod, neighbour, 4222), name)
			require.Equal(t, process && topology != "monolith", r.mayCall(t, pod, neighbour, 6379), name)
			require.Equal(t, process && topology != "payments-out", r.mayCall(t, pod, neighbour, 443), "%s asks the issuer for its keys", name)
			require.Equal(t, name == "shop-notifications", r.mayCall(t, pod, neighbour, 587), name)
			require.Equal(t, topology != "payments-out", r.mayCall(t, pod, neighbour, 5432), "%s, where the database is said to be elsewhere", name)
			require.Equal(t, process && topology == "all-out", r.mayCall(t, pod, neighbour, 4317), "%s sends traces", name)
			for _, at := range []int32{22, 80, 8081, 9200} {
				require.False(t, r.mayCall(t, pod, neighbour, at), "%s at %d", name, at)
			}
		}
	}
}

func TestWithoutPoliciesThereAreNone(t *testing.T) {
	require.Empty(t, all[*networkingv1.NetworkPolicy](installed(t, "shop", merged(t, "payments-out", `{networkPolicy: {enabled: false}}`))))
	open := installed(t, "shop", merged(t, "payments-out", `{networkPolicy: {entryFrom: [], metricsFrom: []}}`))
	for _, d := range all[*appsv1.Deployment](open) {
		require.False(t, open.mayReach(t, ingressController, d.Spec.Template, 8080), "an empty list is nobody")
		require.False(t, open.mayReach(t, prometheus, d.Spec.Template, 8081), "an empty list is nobody")
	}
}
