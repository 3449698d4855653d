// The commands that are answered here: signing in, the replica set, and users.
package main

import (
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

var done = bson.D{{Key: "ok", Value: 1.0}}

// answered is nil for what FerretDB answers.
func (s *session) answered(name string, command bson.D, database string) bson.D {
	switch name {
	case "saslstart":
		return s.begin(command, database)
	case "saslcontinue":
		return s.proceed(command)
	case "logout":
		s.roles = nil
		return done
	case "endsessions":
		return done
	case "replsetinitiate":
		return s.initiate(command)
	case "replsetgetstatus":
		return s.status()
	case "createuser", "updateuser":
		return s.putUser(name, command, database)
	case "usersinfo":
		return s.usersInfo(command, database)
	}
	return nil
}

func (s *session) begin(command bson.D, database string) bson.D {
	if mechanism, _ := field(command, "mechanism").(string); mechanism != "SCRAM-SHA-256" {
		return failure(334, "MechanismUnavailable", "expected SCRAM-SHA-256, got "+mechanism)
	}
	talk, err := s.state.conversation(database)
	if err != nil {
		return failure(1, "InternalError", err.Error())
	}
	s.talk, s.database, s.roles = talk, database, nil
	options, _ := field(command, "options").(bson.D)
	s.hasty, _ = field(options, "skipEmptyExchange").(bool)
	return s.proceed(command)
}

func (s *session) proceed(command bson.D) bson.D {
	payload, given := field(command, "payload").(primitive.Binary)
	if s.talk == nil || !given {
		return failure(17, "ProtocolError", "no conversation has begun")
	}
	if s.talk.Done() {
		return s.step("", true)
	}
	said, err := s.talk.Step(string(payload.Data))
	if err != nil {
		s.talk = nil
		return failure(18, "AuthenticationFailed", "Authentication failed.")
	}
	if s.talk.Done() && s.talk.Valid() {
		s.roles = s.state.roles(s.database, s.talk.Username())
	}
	return s.step(said, s.talk.Done() && s.hasty)
}

func (s *session) step(payload string, done bool) bson.D {
	return bson.D{
		{Key: "conversationId", Value: int32(1)},
		{Key: "done", Value: done},
		{Key: "payload", Value: primitive.Binary{Data: []byte(payload)}},
		{Key: "ok", Value: 1.0},
	}
}

func (s *session) initiate(command bson.D) bson.D {
	if s.replicaSet == "" {
		return failure(76, "NoReplicationEnabled", "This node was not started with replication enabled.")
	}
	if s.state.member() != "" {
		return failure(23, "AlreadyInitialized", "already initialized")
	}
	set, _ := command[0].Value.(bson.D)
	members, _ := field(set, "members").(bson.A)
	if field(set, "_id") != s.replicaSet || len(members) != 1 {
		return failure(93, "InvalidReplicaSetConfig", "expected one member of "+s.replicaSet)
	}
	member, _ := members[0].(bson.D)
	host, _ := field(member, "host").(string)
	if !strings.Contains(host, ":") {
		return failure(93, "InvalidReplicaSetConfig", "expected a member with host:port")
	}
	if err := s.state.setMember(host); err != nil {
		return failure(1, "InternalError", err.Error())
	}
	return done
}

func (s *session) status() bson.D {
	if s.state.member() == "" {
		return failure(94, "NotYetInitialized", "no replset config has been received")
	}
	member := bson.D{{Key: "_id", Value: 0}, {Key: "name", Value: s.state.member()}, {Key: "stateStr", Value: "PRIMARY"}}
	return bson.D{
		{Key: "set", Value: s.replicaSet},
		{Key: "myState", Value: int32(1)},
		{Key: "members", Value: bson.A{member}},
		{Key: "ok", Value: 1.0},
	}
}

func (s *session) putUser(verb string, command bson.D, database string) bson.D {
	name, _ := command[0].Value.(string)
	password, _ := field(command, "pwd").(string)
	listed, _ := field(command, "roles").(bson.A)
	if name == "" || password == "" {
		return failure(2, "BadValue", "expected a name and a password")
	}
	if known := s.state.has(database, name); known && verb == "createuser" {
		return failure(51003, "Location51003", "User \""+name+"@"+database+"\" already exists")
	} else if !known && verb == "updateuser" {
		return failure(11, "UserNotFound", "Could not find user \""+name+"\"")
	}
	roles := []role{}
	for _, one := range listed {
		given, _ := one.(bson.D)
		of, _ := field(given, "role").(string)
		on, _ := field(given, "db").(string)
		if of != "root" && of != "readWrite" {
			return failure(31, "RoleNotFound", "this stand-in knows the roles root and readWrite")
		}
		roles = append(roles, role{of, on})
	}
	if err := s.state.put(database, name, password, roles); err != nil {
		return failure(1, "InternalError", err.Error())
	}
	return done
}

func (s *session) usersInfo(command bson.D, database string) bson.D {
	name, _ := command[0].Value.(string)
	found := bson.A{}
	if s.state.has(database, name) {
		found = append(found, bson.D{{Key: "user", Value: name}, {Key: "db", Value: database}})
	}
	return bson.D{{Key: "users", Value: found}, {Key: "ok", Value: 1.0}}
}
