package gateway

func init() { mostOpens = 1 }

func (g *Gateway) Knows(connection string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.users[connection] != nil
}
