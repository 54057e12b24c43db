//go:build tools

// Package tools pins local-path-provisioner, the storage class of kind's clusters.
package tools

import _ "github.com/rancher/local-path-provisioner"
