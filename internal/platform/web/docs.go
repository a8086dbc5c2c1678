package web

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

func serveDocs(r chi.Router, api huma.API) {}
