package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"gateway"
)

func main() {
	g := gateway.New(os.Getenv("URL"), "gw-go", "", func(session, connection string, code int) {
		fmt.Println("ended", session, connection, code)
	})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch words := strings.Fields(lines.Text()); words[0] {
		case "open":
			body := map[string]any{"user_id": words[3], "intent": "user", "protocol": "vnc"}
			fmt.Println("open", words[2], g.Open(words[1], words[2], body))
		case "glance":
			code := make(chan int)
			go func() { code <- g.Open(words[1], words[2], map[string]any{"user_id": words[3]}) }()
			for !g.Knows(words[2]) {
				time.Sleep(time.Millisecond)
			}
			g.Close(words[2], "")
			fmt.Println("left")
			fmt.Println("open", words[2], <-code)
		case "close":
			g.Close(words[1], "tab closed")
			fmt.Println("closed")
		case "drain":
			g.Drain(5 * time.Second)
			fmt.Println("drained", g.Open("s1", "late", map[string]any{"user_id": "ann"}))
		}
	}
}
