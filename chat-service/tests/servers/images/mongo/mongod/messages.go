// Messages of MongoDB's wire protocol: read whole, and answers written in the form in which was asked.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/bson"
)

const (
	headerBytes = 16
	mostBytes   = 48_000_000
	opReply     = 1
	opQuery     = 2004
	opMsg       = 2013
	moreToCome  = 2
)

var order = binary.LittleEndian

// message is one request or answer: all of its bytes, header included.
type message []byte

func (m message) id() int32     { return int32(order.Uint32(m[4:])) }
func (m message) opcode() int32 { return int32(order.Uint32(m[12:])) }

// silent says that no answer is expected.
func (m message) silent() bool {
	return m.opcode() == opMsg && order.Uint32(m[headerBytes:])&moreToCome != 0
}

func readMessage(from io.Reader) (message, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	length := order.Uint32(size[:])
	if length < headerBytes+5 || length > mostBytes {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	whole := make(message, length)
	copy(whole, size[:])
	_, err := io.ReadFull(from, whole[4:])
	return whole, err
}

// body is the command, without the documents that may follow it in sections of their own.
func (m message) body() (bson.D, error) {
	raw, err := m.document()
	if err != nil {
		return nil, err
	}
	var command bson.D
	err = bson.Unmarshal(raw, &command)
	return command, err
}

func (m message) document() (bson.Raw, error) {
	rest := m[headerBytes+4:]
	if m.opcode() == opQuery {
		for len(rest) > 0 && rest[0] != 0 { // the collection's name
			rest = rest[1:]
		}
		if len(rest) < 9 {
			return nil, errors.New("a query that is cut off")
		}
		return take(rest[9:])
	}
	if m.opcode() == opReply {
		return take(m[headerBytes+20:])
	}
	if m.opcode() != opMsg {
		return nil, fmt.Errorf("opcode %d", m.opcode())
	}
	for len(rest) > 5 {
		kind := rest[0]
		if kind == 0 {
			return take(rest[1:])
		}
		size := order.Uint32(rest[1:])
		if int(size)+1 > len(rest) {
			break
		}
		rest = rest[1+size:]
	}
	return nil, errors.New("a message without a body")
}

func take(from message) (bson.Raw, error) {
	if len(from) < 5 || int(order.Uint32(from)) > len(from) {
		return nil, errors.New("a document that is cut off")
	}
	return bson.Raw(from[:order.Uint32(from)]), nil
}

// asMessage makes a request that has nothing but a body.
func asMessage(id int32, command bson.D) (message, error) {
	return pack(id, 0, opMsg, make([]byte, 5), command)
}

// answer makes an answer to the request in its form.
func answer(request message, content bson.D) (message, error) {
	if request.opcode() == opQuery {
		before := make([]byte, 20) // flags, cursor, where it starts, and how many documents
		order.PutUint32(before[16:], 1)
		return pack(0, request.id(), opReply, before, content)
	}
	return pack(0, request.id(), opMsg, make([]byte, 5), content)
}

func pack(id, to, opcode int32, before []byte, content bson.D) (message, error) {
	document, err := bson.Marshal(content)
	if err != nil {
		return nil, err
	}
	packed := make(message, headerBytes, headerBytes+len(before)+len(document))
	packed = append(append(packed, before...), document...)
	order.PutUint32(packed, uint32(len(packed)))
	order.PutUint32(packed[4:], uint32(id))
	order.PutUint32(packed[8:], uint32(to))
	order.PutUint32(packed[12:], uint32(opcode))
	return packed, nil
}
