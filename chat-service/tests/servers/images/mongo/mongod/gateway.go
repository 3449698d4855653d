// The gateway: every connection has one of its own to FerretDB, and what FerretDB lacks is answered here.
package main

import (
	"bufio"
	"log"
	"net"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/bson"
)

type gateway struct {
	replicaSet string
	port       int
	behind     string
	state      *state
}

// session is one client's connection.
type session struct {
	*gateway
	client   net.Conn
	server   net.Conn
	from     *bufio.Reader
	talk     *scram.ServerConversation
	database string // where the user is kept who signs in
	hasty    bool   // the client wants no empty step at the end
	roles    []role
}

var open = []string{"hello", "ismaster", "ping", "buildinfo", "saslstart", "saslcontinue", "logout", "endsessions"}

func (g *gateway) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatalf("mongod: %v", err)
		}
		go g.attend(client)
	}
}

func (g *gateway) attend(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.behind)
	if err != nil {
		log.Printf("no connection to FerretDB: %v", err)
		return
	}
	defer server.Close()
	here := session{gateway: g, client: client, server: server, from: bufio.NewReader(server)}
	requests := bufio.NewReader(client)
	for {
		request, err := readMessage(requests)
		if err != nil {
			return
		}
		if err := here.handle(request); err != nil {
			log.Printf("%s: %v", client.RemoteAddr(), err)
			return
		}
	}
}

// handle answers a request, or has FerretDB answer it.
func (s *session) handle(request message) error {
	command, err := request.body()
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return s.say(request, failure(59, "CommandNotFound", "an empty command"))
	}
	name := strings.ToLower(command[0].Key)
	database, _ := field(command, "$db").(string)
	if refused := s.refusal(name, database); refused != nil {
		return s.say(request, refused)
	}
	if answered := s.answered(name, command, database); answered != nil {
		return s.say(request, answered)
	}
	if name == "hello" || name == "ismaster" {
		return s.hello(request, command)
	}
	if _, err := s.server.Write(request); err != nil || request.silent() {
		return err
	}
	reply, err := readMessage(s.from)
	if err != nil {
		return err
	}
	_, err = s.client.Write(reply)
	return err
}

// refusal says why the user may not do this; nil: they may.
func (s *session) refusal(name, database string) bson.D {
	if slices.Contains(open, name) {
		return nil
	}
	for _, has := range s.roles {
		if has.Role == "root" || (has.Role == "readWrite" && has.DB == database) {
			return nil
		}
	}
	if s.roles == nil {
		return failure(13, "Unauthorized", "Command "+name+" requires authentication")
	}
	return failure(13, "Unauthorized", "not authorized on "+database+" to execute command "+name)
}

// hello is FerretDB's answer with the replica set in it.
func (s *session) hello(request message, command bson.D) error {
	plain, err := asMessage(request.id(), bson.D{{Key: command[0].Key, Value: 1}, {Key: "$db", Value: "admin"}})
	if err != nil {
		return err
	}
	if _, err := s.server.Write(plain); err != nil {
		return err
	}
	reply, err := readMessage(s.from)
	if err != nil {
		return err
	}
	content, err := reply.body()
	if err != nil {
		return err
	}
	ours := []string{"ismaster", "isWritablePrimary", "secondary", "setName", "setVersion", "hosts", "me", "primary"}
	content = slices.DeleteFunc(content, func(one bson.E) bool { return slices.Contains(ours, one.Key) })
	return s.say(request, append(s.topology(field(command, "saslSupportedMechs") != nil), content...))
}

func (s *session) topology(asksMechanisms bool) bson.D {
	member := s.state.member()
	said := bson.D{
		{Key: "ismaster", Value: member != "" || s.replicaSet == ""},
		{Key: "isWritablePrimary", Value: member != "" || s.replicaSet == ""},
		{Key: "secondary", Value: false},
	}
	if asksMechanisms {
		said = append(said, bson.E{Key: "saslSupportedMechs", Value: bson.A{"SCRAM-SHA-256"}})
	}
	if s.replicaSet == "" {
		return said
	}
	if member == "" {
		return append(said, bson.E{Key: "isreplicaset", Value: true})
	}
	return append(said, bson.D{
		{Key: "setName", Value: s.replicaSet},
		{Key: "setVersion", Value: 1},
		{Key: "hosts", Value: bson.A{member}},
		{Key: "primary", Value: member},
		{Key: "me", Value: member},
	}...)
}

func (s *session) say(request message, content bson.D) error {
	if request.silent() {
		return nil
	}
	packed, err := answer(request, content)
	if err != nil {
		return err
	}
	_, err = s.client.Write(packed)
	return err
}

func field(of bson.D, name string) any {
	for _, one := range of {
		if one.Key == name {
			return one.Value
		}
	}
	return nil
}

func failure(code int32, name, message string) bson.D {
	return bson.D{
		{Key: "ok", Value: 0.0},
		{Key: "errmsg", Value: message},
		{Key: "code", Value: code},
		{Key: "codeName", Value: name},
	}
}
