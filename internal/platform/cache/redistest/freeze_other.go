//go:build !unix

package redistest

// Freeze stops it from answering while it keeps what it holds; Thaw lets it go on. A process cannot be frozen here.
func (s *Server) Freeze() {
	if s.Real {
		s.t.Skip("a process cannot be frozen on this system")
	}
	s.mini.SetError("LOADING frozen by the test")
}

// Thaw lets it answer again.
func (s *Server) Thaw() { s.mini.SetError("") }
