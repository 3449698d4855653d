package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// The most bytes of one message of the protocol, as MongoDB has it (maxMessageSizeBytes).
const maxMessageBytes = 48_000_000

// serveInTurns hands the requests of all clients to the server at backend one at a time.
//
// FerretDB v1 reads and writes in two steps when it updates a document, so that two updates at once can both
// find what they look for, and one takes back what the other wrote. Every MongoDB changes one document
// atomically; one request at a time gives the same promise.
func serveInTurns(ctx context.Context, listener net.Listener, backend string) error {
	var turn sync.Mutex
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		client, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", backend)
			if err != nil {
				return
			}
			defer server.Close()
			for answerOne(&turn, client, server) == nil {
			}
		}()
	}
}

func answerOne(turn *sync.Mutex, client, server net.Conn) error {
	request, err := readMessage(client)
	if err != nil {
		return err
	}
	turn.Lock()
	reply, err := exchange(server, request)
	turn.Unlock()
	if err != nil {
		return err
	}
	_, err = client.Write(reply)
	return err
}

func exchange(server net.Conn, request []byte) ([]byte, error) {
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return readMessage(server)
}

// readMessage reads one message: its header begins with its length, itself included.
func readMessage(from io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length < 16 || length > maxMessageBytes {
		return nil, errors.New(fmt.Sprint("a message of ", length, " bytes"))
	}
	message := make([]byte, length)
	copy(message, head[:])
	_, err := io.ReadFull(from, message[4:])
	return message, err
}
