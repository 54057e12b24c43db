//go:build tools

// Package tools pins etcd: its own modules cannot be installed with `go install` since they replace each other.
package tools

import _ "go.etcd.io/etcd/server/v3"
