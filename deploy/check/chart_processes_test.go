package check

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// settings are the variables of a pod's only container. What stands in a secret is such as it would be there.
func settings(t *testing.T, pod corev1.PodSpec) map[string]string {
	t.Helper()
	require.Len(t, pod.Containers, 1)
	env := map[string]string{}
	for _, v := range pod.Containers[0].Env {
		require.NotContains(t, env, v.Name, "%s twice", v.Name)
		env[v.Name] = v.Value
		if v.ValueFrom == nil {
			continue
		}
		require.NotNil(t, v.ValueFrom.SecretKeyRef)
		switch {
		case strings.HasSuffix(v.Name, "DATABASE_URL"):
			env[v.Name] = "postgres://" + v.ValueFrom.SecretKeyRef.Key + ":secret@db.example/shop"
		case v.Name == "SHOP_BUS_URL":
			env[v.Name] = "nats://shop:secret@nats:4222"
		case v.Name == "SHOP_CACHE_URL":
			env[v.Name] = "redis://:secret@redis:6379/0"
		case v.Name == "SHOP_SMTP_URL":
			env[v.Name] = "smtp://shop:secret@mail.example?tls=starttls"
		default:
			require.Failf(t, "a secret", "in %s", v.Name)
		}
	}
	return env
}

// selects reports whether a selector of labels chooses these.
func selects(t *testing.T, selector *metav1.LabelSelector, these map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(labels.Set(these))
}

func TestTheProgramAcceptsWhatTheChartTellsIt(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		for name, pod := range r.pods() {
			t.Run(name, func(t *testing.T) { requireAccepted(t, settings(t, pod.Spec), pod.Spec.Containers[0].Args...) })
		}
	})
}

// The reference of the settings is complete: a test of cmd/shop sees to it.
func TestEverySettingOfTheChartIsInTheReference(t *testing.T) {
	reference, err := os.ReadFile("../../docs/reference/configuration.md")
	require.NoError(t, err)
	each(t, func(t *testing.T, r *release) {
		for _, pod := range r.pods() {
			for _, v := range pod.Spec.Containers[0].Env {
				switch {
				case strings.HasSuffix(v.Name, "_DATABASE_URL"):
					require.Contains(t, string(reference), "SHOP_<CONTEXT>_DATABASE_URL")
				case regexp.MustCompile(`^SHOP_(` + strings.ToUpper(strings.Join(contexts(t), "|")) + `)_URL$`).MatchString(v.Name):
					require.Contains(t, string(reference), "SHOP_<CONTEXT>_URL")
				case strings.HasPrefix(v.Name, "SHOP_") || strings.HasPrefix(v.Name, "OTEL_"):
					require.Contains(t, string(reference), "`"+v.Name+"`")
				}
			}
		}
	})
}

func TestEveryContextIsHostedOnceAndFoundByTheOthers(t *testing.T) {
	known := contexts(t)
	each(t, func(t *testing.T, r *release) {
		hostedBy := map[string]string{}
		for deployment, d := range all[*appsv1.Deployment](r) {
			for _, name := range hosted(known, settings(t, d.Spec.Template.Spec)["SHOP_CONTEXTS"]) {
				require.Contains(t, known, name)
				require.Empty(t, hostedBy[name])
				hostedBy[name] = deployment
			}
		}
		require.Len(t, hostedBy, len(known))
		for deployment, d := range all[*appsv1.Deployment](r) {
			env := settings(t, d.Spec.Template.Spec)
			for name, by := range hostedBy {
				at := env["SHOP_"+strings.ToUpper(name)+"_URL"]
				if by == deployment {
					require.Empty(t, at)
					continue
				}
				r.requireLeadsTo(t, at, by, env["SHOP_ADDR"])
			}
		}
	})
}

// requireLeadsTo follows a URL over a Service to the pods of a Deployment, where the program must listen at addr.
func (r *release) requireLeadsTo(t *testing.T, at, deployment, addr string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	s, ok := all[*corev1.Service](r)[u.Hostname()]
	require.True(t, ok, "%s names no Service", at)
	i := slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return u.Port() == strconv.Itoa(int(p.Port)) })
	require.NotEqual(t, -1, i, "%s: the Service has no such port", at)
	for name, d := range all[*appsv1.Deployment](r) {
		pod := d.Spec.Template
		require.Equal(t, name == deployment, labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)), "%s leads to %s", at, name)
		if name == deployment {
			port := port(t, pod.Spec.Containers[0], s.Spec.Ports[i].TargetPort)
			require.Equal(t, addr, ":"+strconv.Itoa(int(port)))
		}
	}
}

// port is the number of a container's port.
func port(t *testing.T, c corev1.Container, p intstr.IntOrString) int32 {
	t.Helper()
	for _, has := range c.Ports {
		if has.Name == p.StrVal && p.Type == intstr.String || has.ContainerPort == p.IntVal && p.Type == intstr.Int {
			return has.ContainerPort
		}
	}
	require.Failf(t, "no port", "%s of %s", p.String(), c.Name)
	return 0
}

func TestServicesAndProbesNamePortsThatAreThere(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		for name, s := range all[*corev1.Service](r) {
			found := 0
			for _, d := range all[*appsv1.Deployment](r) {
				if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
					found++
					for _, p := range s.Spec.Ports {
						port(t, d.Spec.Template.Spec.Containers[0], p.TargetPort)
					}
				}
			}
			require.Equal(t, 1, found, "processes behind %s", name)
		}
		for name, d := range all[*appsv1.Deployment](r) {
			c, env := d.Spec.Template.Spec.Containers[0], settings(t, d.Spec.Template.Spec)
			for path, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
				require.Equal(t, path, probe.HTTPGet.Path, name)
				require.Equal(t, env["SHOP_ADMIN_ADDR"], ":"+strconv.Itoa(int(port(t, c, probe.HTTPGet.Port))), name)
			}
			require.Equal(t, "/livez", c.StartupProbe.HTTPGet.Path)
			port(t, c, c.StartupProbe.HTTPGet.Port)
		}
	})
}

func TestADeploymentSelectsItsOwnPodsAndNoOthers(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		for name, d := range all[*appsv1.Deployment](r) {
			for other, pod := range r.pods() {
				require.Equal(t, name == other, selects(t, d.Spec.Selector, pod.Labels), "%s and %s", name, other)
			}
		}
	})
}

// A Deployment's selector cannot be changed, and one that names the version would lose the old pods while the new ones start.
func TestSelectorsStayWhenTheVersionChanges(t *testing.T) {
	selectors := func(r *release) map[string]any {
		found := map[string]any{}
		for name, d := range all[*appsv1.Deployment](r) {
			found["deployment "+name] = d.Spec.Selector
		}
		for name, b := range all[*policyv1.PodDisruptionBudget](r) {
			found["budget "+name] = b.Spec.Selector
		}
		for name, s := range all[*corev1.Service](r) {
			found["service "+name] = s.Spec.Selector
		}
		for name, p := range all[*networkingv1.NetworkPolicy](r) {
			found["policy "+name] = p.Spec.PodSelector
		}
		return found
	}
	first := installed(t, "shop", merged(t, "all-out", `{image: {tag: "1"}}`))
	second := installed(t, "shop", merged(t, "all-out", `{image: {tag: "2"}}`))
	require.Equal(t, selectors(first), selectors(second))
	require.NotEqual(t, first.pods(), second.pods())
}

func TestScalingAndDisruptionBudgetsAreOfOneProcessEach(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		scaled := map[string]bool{}
		for _, h := range all[*autoscalingv2.HorizontalPodAutoscaler](r) {
			d := all[*appsv1.Deployment](r)[h.Spec.ScaleTargetRef.Name]
			require.NotNil(t, d)
			require.Nil(t, d.Spec.Replicas, "or each upgrade would set back what was scaled")
			require.Contains(t, d.Spec.Template.Spec.Containers[0].Resources.Requests, corev1.ResourceCPU, "or there is nothing to measure by")
			require.Equal(t, "apps/v1 Deployment", h.Spec.ScaleTargetRef.APIVersion+" "+h.Spec.ScaleTargetRef.Kind)
			require.LessOrEqual(t, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
			scaled[d.Name] = true
		}
		for name, d := range all[*appsv1.Deployment](r) {
			require.Equal(t, scaled[name], d.Spec.Replicas == nil)
			covered := 0
			for _, b := range all[*policyv1.PodDisruptionBudget](r) {
				if selects(t, b.Spec.Selector, d.Spec.Template.Labels) {
					covered++
				}
			}
			require.Equal(t, 1, covered, "budgets of %s", name)
		}
	})
	require.Len(t, all[*autoscalingv2.HorizontalPodAutoscaler](installed(t, "shop", ciValues(t, "payments-out"))), 1)
}

func TestAPodIsToldToStopOnlyWhenNobodyIsSentToItAnyMore(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		for _, d := range all[*appsv1.Deployment](r) {
			pod := d.Spec.Template.Spec
			wait := pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds
			require.Positive(t, wait)
			require.Greater(t, *pod.TerminationGracePeriodSeconds, wait+15, "shop needs up to 15 s")
			require.Equal(t, int32(0), d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntVal)
		}
	})
}

func TestMigrationsRunBeforeEverythingElseWithTheirOwnSecret(t *testing.T) {
	each(t, func(t *testing.T, r *release) {
		job := all[*batchv1.Job](r)["shop-migrate"]
		require.NotNil(t, job)
		policy := all[*networkingv1.NetworkPolicy](r)["shop-migrate"]
		for _, o := range []object{job, policy} {
			require.Equal(t, "pre-install,pre-upgrade", o.GetAnnotations()["helm.sh/hook"])
			require.Equal(t, "before-hook-creation,hook-succeeded", o.GetAnnotations()["helm.sh/hook-delete-policy"])
		}
		require.Less(t, policy.Annotations["helm.sh/hook-weight"], "0", "before the Job")
		require.Equal(t, []string{"migrate", "up"}, job.Spec.Template.Spec.Containers[0].Args)
		require.Empty(t, job.Spec.Template.Spec.ServiceAccountName, "that of the chart is not there yet")
	})
	job := all[*batchv1.Job](installed(t, "shop", ciValues(t, "monolith")))["shop-migrate"]
	require.Equal(t, "admin-url", job.Spec.Template.Spec.Containers[0].Env[0].ValueFrom.SecretKeyRef.Key)
	require.Empty(t, all[*batchv1.Job](installed(t, "shop", merged(t, "monolith", `{migrations: {enabled: false}}`))))
}

func TestAProcessKnowsTheDatabasesOfItsContextsAlone(t *testing.T) {
	code, said := shop(t, map[string]string{"SHOP_DATA": t.TempDir()}, "migrate", "up", "-o", "json")
	require.Zero(t, code, said)
	databases := map[string]bool{}
	for _, m := range regexp.MustCompile(`"database": ?"(\w+)"`).FindAllStringSubmatch(said, -1) {
		databases["SHOP_"+strings.ToUpper(m[1])+"_DATABASE_URL"] = true
	}
	require.Greater(t, len(databases), len(contexts(t)))

	r := installed(t, "shop", ciValues(t, "all-out"))
	seen := map[string]bool{}
	for name, d := range all[*appsv1.Deployment](r) {
		for variable := range settings(t, d.Spec.Template.Spec) {
			if strings.HasSuffix(variable, "DATABASE_URL") {
				require.False(t, seen[variable], "%s knows %s too", name, variable)
				require.True(t, databases[variable], variable)
				seen[variable] = true
			}
		}
	}
	require.Equal(t, databases, seen)
	for variable := range settings(t, all[*batchv1.Job](r)["shop-migrate"].Spec.Template.Spec) {
		delete(seen, variable)
	}
	require.Empty(t, seen, "not migrated")
}

func TestTheIngressAndTheServiceMonitorFindTheirServices(t *testing.T) {
	r := installed(t, "shop", ciValues(t, "all-out"))
	backend := all[*networkingv1.Ingress](r)["shop"].Spec.Rules[0].HTTP.Paths[0].Backend.Service
	entry := all[*corev1.Service](r)[backend.Name]
	require.Equal(t, backend.Port.Name, entry.Spec.Ports[0].Name)
	require.Equal(t, "catalog", entry.Spec.Selector["app.kubernetes.io/component"])

	monitor := all[*monitoringv1.ServiceMonitor](r)["shop"]
	require.Equal(t, "prometheus", monitor.Labels["release"])
	for name, s := range all[*corev1.Service](r) {
		watched := selects(t, &monitor.Spec.Selector, s.Labels)
		require.Equal(t, name != "shop", watched, name)
		if watched {
			require.True(t, slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == monitor.Spec.Endpoints[0].Port }))
		}
	}
}
