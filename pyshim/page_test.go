package pyshim

import (
	"sync"
	"testing"
)

// Two lanes that live at a time have different slots; epochs of a slot are never used twice, whoever has it.
func TestPageSlots(t *testing.T) {
	p := &Page{words: make([]uint64, Slots), uses: map[int]uint64{}}
	type given struct {
		slot  int
		epoch uint64
	}
	var mu sync.Mutex
	live, ever := map[int]bool{}, map[given]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				slot, epoch, err := p.Take()
				mu.Lock()
				if err != nil || live[slot] || ever[given{slot, epoch}] {
					t.Errorf("slot %d, epoch %d, %v", slot, epoch, err)
				}
				live[slot], ever[given{slot, epoch}] = true, true
				mu.Unlock()
				mu.Lock()
				delete(live, slot)
				p.Give(slot)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if p.next > 8 {
		t.Errorf("%d slots were used for 8 lanes", p.next)
	}
}

func TestPageIsFull(t *testing.T) {
	p := &Page{uses: map[int]uint64{}}
	for range Slots - firstSlot {
		if _, _, err := p.Take(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.Take(); err == nil {
		t.Error("one slot too many")
	}
	p.Give(9)
	if slot, epoch, err := p.Take(); slot != 9 || epoch != 2<<32 || err != nil {
		t.Errorf("slot %d, epoch %d, %v", slot, epoch, err)
	}
}
