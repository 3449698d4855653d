// What the gateway keeps beside FerretDB's data: the replica set's member, and users as SCRAM wants them.
package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"sync"

	"github.com/xdg-go/scram"
)

// rounds is the least that MongoDB accepts: tests sign in often.
const rounds = 5000

type role struct {
	Role string
	DB   string
}

type user struct {
	Salt      []byte
	StoredKey []byte
	ServerKey []byte
	Roles     []role
}

type state struct {
	mutex sync.Mutex
	path  string
	kept  struct {
		Member string
		Users  map[string]user // by "database.name"
	}
}

func openState(path string) (*state, error) {
	opened := &state{path: path}
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &opened.kept)
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if opened.kept.Users == nil {
		opened.kept.Users = map[string]user{}
	}
	return opened, err
}

func (s *state) member() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.kept.Member
}

func (s *state) setMember(host string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.kept.Member = host
	return s.write()
}

func (s *state) has(database, name string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, found := s.kept.Users[database+"."+name]
	return found
}

func (s *state) put(database, name, password string, roles []role) error {
	salt := make([]byte, 28)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		return err
	}
	secret := client.GetStoredCredentials(scram.KeyFactors{Salt: string(salt), Iters: rounds})
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.kept.Users[database+"."+name] = user{salt, secret.StoredKey, secret.ServerKey, roles}
	return s.write()
}

func (s *state) roles(database, name string) []role {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.kept.Users[database+"."+name].Roles
}

// conversation begins to authenticate a user of the database.
func (s *state) conversation(database string) (*scram.ServerConversation, error) {
	server, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		found, known := s.kept.Users[database+"."+name]
		if !known {
			return scram.StoredCredentials{}, errors.New("no such user")
		}
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(found.Salt), Iters: rounds},
			StoredKey:  found.StoredKey,
			ServerKey:  found.ServerKey,
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return server.NewConversation(), nil
}

func (s *state) write() error {
	content, err := json.Marshal(s.kept)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}
