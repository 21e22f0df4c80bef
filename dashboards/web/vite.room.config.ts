// The treatment room's page, which the driver embeds; everything else as for the server's pages.
import { defineConfig, mergeConfig } from 'vite';
import shared from './vite.config';

export default mergeConfig(
  shared,
  defineConfig({
    build: {
      outDir: 'dist-room',
      rolldownOptions: { input: 'room.html' },
    },
    // For work on the page: a running driver.
    server: { proxy: { '/api': process.env['MESOFLEET_ROOM_URL'] ?? 'http://127.0.0.1:8631' } },
  }),
);
