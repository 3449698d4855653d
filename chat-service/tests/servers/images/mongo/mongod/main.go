// Command mongod stands in for MongoDB's server: FerretDB behind a gateway that adds what compose.yaml asks for, a
// replica set of one member and users with passwords and roles.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

type options struct {
	replicaSet string
	keyFile    string
	folder     string
	port       int
}

func main() {
	log.SetFlags(log.LUTC | log.Ldate | log.Ltime)
	given, err := parse(os.Args[1:])
	if err == nil {
		err = serve(given)
	}
	if err != nil {
		log.Fatalf("mongod: %v", err)
	}
}

// parse reads the options of mongod that mean something here; what it does not know is an error, as it is there.
func parse(arguments []string) (options, error) {
	flags := flag.NewFlagSet("mongod", flag.ContinueOnError)
	var given options
	flags.StringVar(&given.replicaSet, "replSet", "", "name of the replica set")
	flags.StringVar(&given.keyFile, "keyFile", "", "secret that the members share; turns authentication on")
	flags.StringVar(&given.folder, "dbpath", "/data/db", "folder of the data")
	flags.IntVar(&given.port, "port", 27017, "port to listen on")
	flags.Bool("bind_ip_all", false, "listen on every address, as this one always does")
	flags.Bool("quiet", false, "log little, as this one always does")
	flags.Float64("wiredTigerCacheSizeGB", 0, "size of a cache that there is none of")
	if err := flags.Parse(arguments); err != nil {
		return given, err
	}
	if flags.NArg() > 0 {
		return given, fmt.Errorf("unexpected arguments: %s", strings.Join(flags.Args(), " "))
	}
	return given, checkKeyFile(given.keyFile)
}

// checkKeyFile is as strict as MongoDB: nobody but the owner may read it.
func checkKeyFile(path string) error {
	if path == "" {
		return errors.New("expected --keyFile: this stand-in is for a stack with passwords")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("permissions on %s are too open", path)
	}
	key, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(key))) < 6 {
		err = fmt.Errorf("%s: a key has at least 6 characters", path)
	}
	return err
}

func serve(given options) error {
	kept, err := openState(filepath.Join(given.folder, "stand-in.json"))
	if err != nil {
		return err
	}
	if err := firstUser(kept); err != nil {
		return err
	}
	behind, ended, err := startFerretDB(filepath.Join(given.folder, "ferretdb"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", given.port))
	if err != nil {
		return err
	}
	front := gateway{replicaSet: given.replicaSet, port: given.port, behind: behind, state: kept}
	go front.serve(listener)
	log.Printf("waiting for connections on port %d", given.port)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	select {
	case <-stop:
		return nil
	case err := <-ended:
		return fmt.Errorf("ferretdb ended: %w", err)
	}
}

// firstUser makes the user that the environment names, at the first start only.
func firstUser(kept *state) error {
	name, err := variable("MONGO_INITDB_ROOT_USERNAME")
	if err != nil || name == "" {
		return err
	}
	password, err := variable("MONGO_INITDB_ROOT_PASSWORD")
	if err != nil {
		return err
	}
	if password == "" {
		return errors.New("MONGO_INITDB_ROOT_PASSWORD is empty")
	}
	if kept.has("admin", name) {
		return nil
	}
	return kept.put("admin", name, password, []role{{Role: "root", DB: "admin"}})
}

// variable reads an environment variable, or the file that NAME_FILE says.
func variable(name string) (string, error) {
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return os.Getenv(name), nil
	}
	content, err := os.ReadFile(path)
	return strings.TrimSpace(string(content)), err
}

// startFerretDB gives its address, and a channel that says how it ended.
func startFerretDB(folder string) (string, <-chan error, error) {
	command := exec.Command("ferretdb", "-listen", "127.0.0.1:0", "-dir", folder)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("ferretdb said nothing: %w", err)
	}
	_, address, _ := strings.Cut(line, "mongodb://")
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(address), "/")), ended, nil
}
