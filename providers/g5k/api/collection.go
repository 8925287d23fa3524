package api

import (
	"context"
	"maps"
	"net/url"
	"strconv"
)

// collection is a page of a list.
type collection[T any] struct {
	Total  int `json:"total"`
	Offset int `json:"offset"`
	Items  []T `json:"items"`
}

// pageSize is the most that the interface gives at once.
const pageSize = 500

// all reads every page of a list, which has no links to the next one.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	query = maps.Clone(query)
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(pageSize))
	var items []T
	for {
		query.Set("offset", strconv.Itoa(len(items)))
		var page collection[T]
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if len(page.Items) == 0 || len(items) >= page.Total {
			return items, nil
		}
	}
}
