import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // Small files stay files: the policy of the server allows no data: scripts or styles.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    // For work on the pages: the real interface, or the fake_fleet example of meso-web.
    proxy: { '/api': process.env['MESOFLEET_URL'] ?? 'http://127.0.0.1:8090' },
  },
  test: {
    include: ['tests/**/*.test.ts'],
    environment: 'node',
  },
});
