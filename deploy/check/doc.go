// Package check tests what stands in deploy/ without a container engine and without a cluster: compose.yaml by compose's own loader, the chart by helm's own libraries and
// by the types and the pod security rules of Kubernetes, and both against the program itself, which is built and given the settings that they render.
//
// It is a module of its own, so that none of that is a dependency of shop. Run it with `make deploy-check`.
package check
