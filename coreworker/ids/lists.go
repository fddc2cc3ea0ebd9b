package ids

import "fmt"

// Objects splits concatenated object ids, the form in which lists of ids cross the boundary. An empty field is an
// empty list.
func Objects(b []byte) ([]ObjectID, error) {
	if err := whole("object", len(b), ObjectLen); err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, nil
	}
	list := make([]ObjectID, len(b)/ObjectLen)
	for i := range list {
		copy(list[i][:], b[i*ObjectLen:])
	}
	return list, nil
}

// Actors splits concatenated actor ids. An empty field is an empty list.
func Actors(b []byte) ([]ActorID, error) {
	if err := whole("actor", len(b), ActorLen); err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, nil
	}
	list := make([]ActorID, len(b)/ActorLen)
	for i := range list {
		copy(list[i][:], b[i*ActorLen:])
	}
	return list, nil
}

// JoinObjects is the inverse of Objects.
func JoinObjects(list []ObjectID) []byte {
	if len(list) == 0 {
		return nil
	}
	b := make([]byte, 0, len(list)*ObjectLen)
	for i := range list {
		b = append(b, list[i][:]...)
	}
	return b
}

// JoinActors is the inverse of Actors.
func JoinActors(list []ActorID) []byte {
	if len(list) == 0 {
		return nil
	}
	b := make([]byte, 0, len(list)*ActorLen)
	for i := range list {
		b = append(b, list[i][:]...)
	}
	return b
}

func whole(kind string, got, size int) error {
	if rest := got % size; rest != 0 {
		return fmt.Errorf("%s ids: want a multiple of %d bytes, got %d (%d left over)", kind, size, got, rest)
	}
	return nil
}
