// Package archive holds what the stand-ins of mongodump and mongorestore share: their options, and the form of what
// the one writes and the other reads (it is not MongoDB's own).
package archive

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Record is one document of a collection, or one of its indexes.
type Record struct {
	Collection string
	Index      bool
	Document   bson.Raw
}

// Connect reads the URI out of a configuration file of MongoDB's tools.
func Connect(ctx context.Context, config string) (*mongo.Client, error) {
	content, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(content), "\n") {
		if uri, found := strings.CutPrefix(line, "uri:"); found {
			return mongo.Connect(ctx, options.Client().ApplyURI(strings.TrimSpace(uri)).
				SetServerSelectionTimeout(30*time.Second).SetRetryWrites(false))
		}
	}
	return nil, errors.New("expected a line `uri: mongodb://...` in " + config)
}

// Writer packs records.
type Writer struct{ packed *gzip.Writer }

// NewWriter packs into `to`; Close it in the end.
func NewWriter(to io.Writer) Writer { return Writer{gzip.NewWriter(to)} }

// Write adds one record.
func (w Writer) Write(record Record) error {
	encoded, err := bson.Marshal(record)
	if err != nil {
		return err
	}
	_, err = w.packed.Write(encoded)
	return err
}

// Close ends the archive: one that was cut off is told from one that is whole.
func (w Writer) Close() error { return w.packed.Close() }

// Read hands every record to `each`, in the order in which they were written.
func Read(from io.Reader, each func(Record) error) error {
	unpacked, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	stream := bufio.NewReader(unpacked)
	for {
		size, err := stream.Peek(4)
		if err == io.EOF && len(size) == 0 {
			return nil
		} else if err != nil {
			return err
		}
		document := make(bson.Raw, binary.LittleEndian.Uint32(size))
		if _, err := io.ReadFull(stream, document); err != nil {
			return fmt.Errorf("the archive is cut off: %w", err)
		}
		var record Record
		if err := bson.Unmarshal(document, &record); err != nil {
			return err
		}
		if err := each(record); err != nil {
			return err
		}
	}
}
