// Command mongorestore stands in for MongoDB's: it puts back what the mongodump beside it wrote.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"chat-service/tests/servers/images/mongo/archive"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

const batch = 100

func main() {
	flags := flag.NewFlagSet("mongorestore", flag.ExitOnError)
	config := flags.String("config", "", "file with the URI")
	include := flags.String("nsInclude", "", "what to put back, as DATABASE.*")
	for _, always := range []string{"archive", "gzip", "quiet"} {
		flags.Bool(always, false, "as always here")
	}
	_ = flags.Parse(os.Args[1:])
	database, all := strings.CutSuffix(*include, ".*")
	if !all {
		fmt.Fprintln(os.Stderr, "mongorestore: expected --nsInclude DATABASE.*")
		os.Exit(2)
	}
	if err := restore(context.Background(), *config, database); err != nil {
		fmt.Fprintf(os.Stderr, "mongorestore: %v\n", err)
		os.Exit(1)
	}
}

func restore(ctx context.Context, config, name string) error {
	client, err := archive.Connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	database := client.Database(name)
	waiting := map[string][]any{}
	put := func(collection string) error {
		documents := waiting[collection]
		delete(waiting, collection)
		_, err := database.Collection(collection).InsertMany(ctx, documents)
		return err
	}
	err = archive.Read(os.Stdin, func(record archive.Record) error {
		if record.Index {
			return index(ctx, database, record)
		}
		waiting[record.Collection] = append(waiting[record.Collection], record.Document)
		if len(waiting[record.Collection]) < batch {
			return nil
		}
		return put(record.Collection)
	})
	for collection := range waiting {
		if err == nil {
			err = put(collection)
		}
	}
	return err
}

func index(ctx context.Context, database *mongo.Database, record archive.Record) error {
	var described struct {
		Name   string
		Key    bson.D
		Unique bool
	}
	if err := bson.Unmarshal(record.Document, &described); err != nil || described.Name == "_id_" {
		return err
	}
	return database.RunCommand(ctx, bson.D{
		{Key: "createIndexes", Value: record.Collection},
		{Key: "indexes", Value: bson.A{bson.D{
			{Key: "key", Value: described.Key},
			{Key: "name", Value: described.Name},
			{Key: "unique", Value: described.Unique},
		}}},
	}).Err()
}
