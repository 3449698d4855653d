// Command mongodump stands in for MongoDB's: it writes collections of a database to its output, as one archive.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"

	"chat-service/tests/servers/images/mongo/archive"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

func main() {
	flags := flag.NewFlagSet("mongodump", flag.ExitOnError)
	config := flags.String("config", "", "file with the URI")
	database := flags.String("db", "", "database to dump")
	only := flags.String("collection", "", "the one collection to dump")
	var without []string
	flags.Func("excludeCollection", "a collection to leave out", func(name string) error {
		without = append(without, name)
		return nil
	})
	for _, always := range []string{"archive", "gzip", "quiet"} {
		flags.Bool(always, false, "as always here")
	}
	_ = flags.Parse(os.Args[1:])
	if err := dump(context.Background(), *config, *database, *only, without); err != nil {
		fmt.Fprintf(os.Stderr, "mongodump: %v\n", err)
		os.Exit(1)
	}
}

func dump(ctx context.Context, config, name, only string, without []string) error {
	client, err := archive.Connect(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	database := client.Database(name)
	collections, err := database.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	writer := archive.NewWriter(os.Stdout)
	for _, collection := range collections {
		if (only != "" && collection != only) || slices.Contains(without, collection) {
			continue
		}
		indexes, err := database.Collection(collection).Indexes().List(ctx)
		if err != nil {
			return err
		}
		documents, err := database.Collection(collection).Find(ctx, bson.D{})
		if err != nil {
			return err
		}
		for index, cursor := range map[bool]*mongo.Cursor{true: indexes, false: documents} {
			for cursor.Next(ctx) {
				if err := writer.Write(archive.Record{Collection: collection, Index: index, Document: cursor.Current}); err != nil {
					return err
				}
			}
			if cursor.Err() != nil {
				return cursor.Err()
			}
		}
	}
	return writer.Close()
}
