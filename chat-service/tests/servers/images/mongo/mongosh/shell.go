// What a script sees of a database: an object that runs commands, and errors with their code's name.
package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

const patience = 30 * time.Second

type shell struct{ engine *goja.Runtime }

func (s shell) connect(uri string) (goja.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(strings.TrimSpace(uri)).SetServerSelectionTimeout(patience))
	if err != nil {
		return nil, err
	}
	if err := client.Ping(ctx, nil); err != nil {
		return nil, err
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(uri), "mongodb://"), "/")
	name, _, _ := strings.Cut(path, "?")
	if name == "" {
		name = "test"
	}
	return s.database(client, name), nil
}

func (s shell) database(client *mongo.Client, name string) goja.Value {
	object := s.engine.NewObject()
	run := func(on string) func(goja.FunctionCall) goja.Value {
		return func(call goja.FunctionCall) goja.Value {
			return s.run(client.Database(on), s.document(call.Argument(0)))
		}
	}
	for method, function := range map[string]any{
		"getName":      func() string { return name },
		"getSiblingDB": func(other string) goja.Value { return s.database(client, other) },
		"runCommand":   run(name),
		"adminCommand": run("admin"),
		"dropDatabase": func() goja.Value { return s.run(client.Database(name), bson.D{{Key: "dropDatabase", Value: 1}}) },
	} {
		if err := object.Set(method, function); err != nil {
			panic(err)
		}
	}
	return object
}

// run throws what the server refuses, with `code` and `codeName`.
func (s shell) run(on *mongo.Database, command bson.D) goja.Value {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var answer bson.M
	err := on.RunCommand(ctx, command).Decode(&answer)
	if err == nil {
		return s.engine.ToValue(plain(answer))
	}
	thrown := s.engine.NewGoError(err)
	var refused mongo.CommandError
	if errors.As(err, &refused) {
		_ = thrown.Set("code", refused.Code)
		_ = thrown.Set("codeName", refused.Name)
	}
	panic(thrown)
}

// document keeps the order of an object's fields: the first is the command.
func (s shell) document(value goja.Value) bson.D {
	object := value.ToObject(s.engine)
	document := bson.D{}
	for _, key := range object.Keys() {
		document = append(document, bson.E{Key: key, Value: s.value(object.Get(key))})
	}
	return document
}

func (s shell) value(value goja.Value) any {
	object, isObject := value.(*goja.Object)
	if !isObject {
		return value.Export()
	}
	if object.ClassName() != "Array" {
		return s.document(value)
	}
	list := bson.A{}
	for _, key := range object.Keys() {
		list = append(list, s.value(object.Get(key)))
	}
	return list
}

// plain turns an answer into what a script can walk through.
func plain(value any) any {
	switch value := value.(type) {
	case bson.M:
		made := map[string]any{}
		for key, one := range value {
			made[key] = plain(one)
		}
		return made
	case bson.A:
		made := []any{}
		for _, one := range value {
			made = append(made, plain(one))
		}
		return made
	}
	return value
}
