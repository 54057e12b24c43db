// Stands in for kindnetd, under its image name and with kind's own manifest. On every node it writes the CNI
// configuration for the node's pod CIDR and keeps one route to every other node's pods.
// It does not enforce NetworkPolicy.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	account       = "/var/run/secrets/kubernetes.io/serviceaccount/"
	configuration = "/etc/cni/net.d/10-kindnet.conflist"
	format        = `{"cniVersion":"0.4.0","name":"kindnet","plugins":[` +
		`{"type":"ptp","ipMasq":true,"ipam":{"type":"host-local","dataDir":"/run/cni-ipam-state",` +
		`"routes":[{"dst":"0.0.0.0/0"}],"ranges":[[{"subnet":%q}]]}},` +
		`{"type":"portmap","capabilities":{"portMappings":true}}]}`
)

type node struct {
	Spec   struct{ PodCIDR string }
	Status struct {
		Addresses []struct{ Type, Address string }
	}
}

func (n node) internalIP() string {
	for _, address := range n.Status.Addresses {
		if address.Type == "InternalIP" {
			return address.Address
		}
	}
	return ""
}

func listNodes(client *http.Client, endpoint string) ([]node, error) {
	token, err := os.ReadFile(account + "token") // read anew each time: the kubelet renews it
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodGet, "https://"+endpoint+"/api/v1/nodes", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("listing nodes: %s", response.Status)
	}
	var list struct{ Items []node }
	return list.Items, json.NewDecoder(response.Body).Decode(&list)
}

func configure(podCIDR string) error {
	wanted := fmt.Sprintf(format, podCIDR)
	if present, err := os.ReadFile(configuration); err == nil && string(present) == wanted {
		return nil
	}
	log.Printf("pods of this node are in %s", podCIDR)
	if err := os.WriteFile(configuration+".tmp", []byte(wanted), 0o644); err != nil {
		return err
	}
	return os.Rename(configuration+".tmp", configuration)
}

func route(podCIDR, via string) error {
	_, destination, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	return netlink.RouteReplace(&netlink.Route{Dst: destination, Gw: net.ParseIP(via)})
}

func reconcile(client *http.Client, endpoint, hostIP string) error {
	nodes, err := listNodes(client, endpoint)
	if err != nil {
		return err
	}
	var failed []error
	for _, n := range nodes {
		switch ip := n.internalIP(); {
		case n.Spec.PodCIDR == "" || ip == "": // not ready for pods yet
		case ip == hostIP:
			failed = append(failed, configure(n.Spec.PodCIDR))
		default:
			failed = append(failed, route(n.Spec.PodCIDR, ip))
		}
	}
	return errors.Join(failed...)
}

func main() {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
	}
	endpoint := os.Getenv("CONTROL_PLANE_ENDPOINT") // kind sets it: Services do not work before the network does
	if endpoint == "" {
		endpoint = net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	}
	for wait := 5 * time.Second; ; time.Sleep(wait) {
		wait = 5 * time.Second
		if err := reconcile(client, endpoint, os.Getenv("HOST_IP")); err != nil {
			log.Print(err)
			wait = time.Second
		}
	}
}
